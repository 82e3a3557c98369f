"""Objects that are shown as a table, in a terminal and in a notebook."""

from evenly import _core
from evenly.moments import text_table


class TableRepr:
    """Show an object as its table."""

    __slots__ = ()

    def _table_view(self) -> text_table.Table:
        """Return the table that `repr` shows."""
        raise NotImplementedError

    def __repr__(self) -> str:
        with _core.ExactMode():
            return text_table.to_text(self._table_view())

    def _repr_html_(self) -> str:
        with _core.ExactMode():
            return text_table.to_html(self._table_view())
