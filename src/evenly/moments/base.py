"""Metadata, addition and persistence shared by `Moments` and `GroupedMoments`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from evenly import _core
from evenly.columns import ColumnNames
from evenly.errors import DataError
from evenly.moments.metadata import GroupMetadata, Metadata
from evenly.moments.table_repr import TableRepr
from evenly.typing import Path, StorageOptions

if TYPE_CHECKING:  # only needed for files, which most programs do not write
    from evenly.html_report.summary import ColumnSummary
    from evenly.html_report.table import Section
    from evenly.statistics_file import Manifest

T = TypeVar("T")


class MomentsBase(TableRepr):
    """The columns and sources of moments, copies, ``+``, and the statistics file.

    The state of the core holds the sums, the number of rows and the metadata. Each change is one
    call of the core, so that an interrupt never leaves a partial update.
    """

    __slots__ = ("_cache", "_state")

    _state: _core.State
    _cache: tuple[int, dict[object, Any]]

    def copy(self) -> Self:
        """Return an independent copy."""
        raise NotImplementedError

    def merge_inplace(self, other: Self, *, consume: bool = False, private: bool = False) -> None:
        """Add other in place.

        Parameters
        ----------
        consume
            Whether the state of other may be reused.
        private
            Whether no other code refers to self, which is then discarded after a MemoryError.
        """
        raise NotImplementedError

    def _serialize(self, manifest: "Manifest | None") -> Iterator[bytes]:
        """Yield the lines of the statistics file, with a manifest if there is one."""
        raise NotImplementedError

    def _summaries(self) -> "list[ColumnSummary]":
        """Return the summary of each column for the HTML page."""
        raise NotImplementedError

    def to_html(self, title: str = "Statistics") -> str:
        """Return the statistics of each column as a web page.

        The page is self-contained: it loads no other file, and its Content-Security-Policy forbids
        any request. It has a row for each column with its statistics and with remarks, for example
        on constants, missing values and large offsets; and with its histogram and quantiles, if
        the moments were fitted with ``distribution=True``. The same statistics give the same page.

        Parameters
        ----------
        title
            The title of the page.

        Returns
        -------
        str
            An HTML document.

        Examples
        --------
        >>> import evenly
        >>> page = evenly.fit([[1.0, 5.0], [2.0, 5.0]]).to_html()
        >>> "constant: every value is 5" in page
        True
        """
        from evenly.html_report.page import page
        from evenly.html_report.table import sections

        return page(title, sections([self._report_section(title)]))

    def _report_section(self, title: str) -> "Section":
        """Return the section of a page for these statistics."""
        from evenly.html_report.table import Section

        with _core.ExactMode():
            return Section(title, self._table_view().title, self._notes(), self._summaries())

    def _notes(self) -> list[str]:
        """Return remarks on the statistics as a whole."""
        from evenly.moments import text_table

        return text_table.footer_lines(self.left_out, self.extremes_are_bounds)

    def _cached(self, key: object, compute: Callable[[], T]) -> T:
        """Return the cached result for a key, or compute it if the sums have changed."""
        version = self._state.version
        known, cache = self._cache
        if known != version:
            cache = {}
            self._cache = version, cache
        if key not in cache:
            with _core.ExactMode():
                cache[key] = compute()
        return cache[key]  # type: ignore[no-any-return]

    @property
    def _metadata(self) -> Metadata | GroupMetadata:
        return self._state.metadata  # type: ignore[no-any-return]

    @property
    def columns(self) -> ColumnNames:
        """The names of the columns, in order; None for columns without names."""
        return self._metadata.columns

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The input dtype of each column; several dtypes are joined by ``|``."""
        return self._metadata.dtypes

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of the rows, sorted. Information only: nothing is computed from it."""
        return tuple(sorted(self._metadata.sources))

    @sources.setter
    def sources(self, sources: Iterable[str]) -> None:
        new = tuple(sources)
        metadata = self._metadata
        while not self._state.replace_metadata(metadata._replace(sources=new), metadata):
            metadata = self._metadata

    @property
    def left_out(self) -> dict[str, str]:
        """The columns of the sources that are not fitted, each with the reason.

        Information only, which is not saved in statistics files.
        """
        return dict(self._metadata.left_out)

    @left_out.setter
    def left_out(self, columns: Mapping[str, str]) -> None:
        new = tuple(columns.items())
        metadata = self._metadata
        while not self._state.replace_metadata(metadata._replace(left_out=new), metadata):
            metadata = self._metadata

    @property
    def extremes_are_bounds(self) -> bool:
        """Whether min and max may be values of rows that were subtracted later."""
        return bool(self._state.extremes_are_bounds)

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: object) -> Self:
        return self.copy()

    def __add__(self, other: Self | Literal[0]) -> Self:
        """Return the moments of both sets of rows together."""
        if not isinstance(other, type(self)):
            is_zero = type(other) is int and other == 0  # the start of sum()
            return self.copy() if is_zero else NotImplemented
        result = self.copy()
        result.merge_inplace(other, private=True)
        return result

    def __radd__(self, other: Literal[0]) -> Self:
        return self.__add__(other)

    def save(self, path: Path, *, storage_options: StorageOptions | None = None) -> None:
        """Write a statistics file atomically (the format is in ``docs/format.md``).

        Parameters
        ----------
        path
            A path, or a URL for fsspec such as ``s3://bucket/x.json``.
        storage_options
            The options of the file system of a URL, as in `evenly.fit`.

        Raises
        ------
        SourceError
            When it cannot be written; an existing file is then unchanged.
        MissingExtraError
            When a URL needs a package that is not installed.
        """
        self.save_with_manifest(path, None, storage_options)

    def save_with_manifest(
        self,
        path: Path,
        manifest: "Manifest | None",
        storage_options: StorageOptions | None = None,
    ) -> None:
        """Write a statistics file like `save`, with a manifest of the included files."""
        from evenly.outputs import open_output

        self._check_possible()
        lines = self._serialize(manifest)
        with open_output(path, storage_options) as file, _core.ExactMode():
            file.writelines(lines)

    def to_bytes(self) -> bytes:
        """Return the content of the statistics file that `save` writes.

        Examples
        --------
        >>> import evenly
        >>> moments = evenly.fit([[1.0], [2.0]])
        >>> evenly.Moments.from_bytes(moments.to_bytes()) == moments
        True
        """
        self._check_possible()
        with _core.ExactMode():
            return b"".join(self._serialize(None))

    def _check_possible(self) -> None:
        """Check that the statistics file can be read again.

        Raises
        ------
        DataError
            When the sums are impossible, because corrupt bytes were unpickled.
        """
        index = self._state.first_impossible()
        if index >= 0:
            columns, width = self.columns, max(1, len(self.dtypes))
            name = index % width if columns is None else repr(columns[index % width])
            raise DataError(
                "Statistics can be saved only if they are possible. Received: impossible sums of "
                f"column {name}, which come from corrupt bytes, such as a pickle. Fit the data "
                "again."
            )


def mixed_grouping_error(received: str) -> DataError:
    """Return the error for adding moments with groups and moments without."""
    return DataError(
        "Moments with groups can only be added to moments with groups. Received: "
        f"{received}. Fit both by the same columns, or add the moments of all groups together, in "
        "Python grouped.total()."
    )


def mixed_keys_error(received: str) -> DataError:
    """Return the error for adding moments by key and others."""
    return DataError(
        "Moments by key can only be added to moments by key. "
        f"Received: {received}. Fit both with the same dict for select=."
    )
