"""Objects that are shown as a table, in a terminal and in a notebook."""

from typing import TYPE_CHECKING

from evenly import _core

if TYPE_CHECKING:  # only needed where moments are shown
    from evenly.moments.text_table import TextTable


class TableRepr:
    """Show an object as its table."""

    __slots__ = ()

    def _table_view(self) -> "TextTable":
        """Return the table that `repr` shows."""
        raise NotImplementedError

    def __repr__(self) -> str:
        from evenly.moments import text_table

        with _core.ExactMode():
            return text_table.to_text(self._table_view())

    def _repr_html_(self) -> str:
        from evenly.moments import text_table

        with _core.ExactMode():
            return text_table.to_html(self._table_view())
