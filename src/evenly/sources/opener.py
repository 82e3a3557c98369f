"""Open any part of a source with the options of the whole: items, selected parts, files."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from evenly.dispatch import with_article
from evenly.errors import DataError
from evenly.sources.batch_parts import DefaultPart
from evenly.sources.bit_depth import BitDepth
from evenly.sources.feature_axis import check_table_axis
from evenly.sources.fields import Field
from evenly.sources.files.csv_options import check_no_csv
from evenly.sources.options import ReadOptions
from evenly.sources.selected_column import single_step
from evenly.sources.source import Source
from evenly.sources.table_source import TableSource
from evenly.sources.tables import Table, is_table

if TYPE_CHECKING:  # their packages import readers, which import this module
    from evenly.sources.files.fingerprint import Watch
    from evenly.sources.images.remaining import RemainingImages


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOpener:
    """The options of a source, and what all of its parts have in common.

    Attributes
    ----------
    options
        The options of the user.
    resolve
        Open any object, given its label and an opener: see `evenly.sources.resolve`.
    resume_from
        The columns of the files that were read in an earlier run.
    remaining
        The images that remain to be read after an earlier run; None: all.
    watch
        Records the state of each file before it is opened, to check for changes later. None: each
        reader checks its own file.
    default_part
        Chooses a part of a batch without ``select=``, and warns once.
    bit_depth
        Checks the images in batches.
    by_key
        Whether ``select=`` is a part by key, which may also be a column of numbers of a table.
    """

    options: ReadOptions
    resolve: "Callable[[Any, str, SourceOpener], Source]"
    resume_from: Table | None = None
    remaining: "RemainingImages | None" = None
    watch: "Watch | None" = None
    default_part: DefaultPart = field(default_factory=DefaultPart)
    bit_depth: BitDepth = field(default_factory=BitDepth)
    by_key: bool = False

    def open(self, x: object, label: str) -> Source:
        """Return the source for an object; ``label`` names it in messages."""
        return self.resolve(x, label, self)

    def with_options(self, **changes: Any) -> "SourceOpener":
        """Return an opener with other options for a part of the source."""
        return replace(self, options=replace(self.options, **changes))

    def for_part(self, options: ReadOptions) -> "SourceOpener":
        """Return an opener of another part of the same data."""
        return replace(self, options=options, default_part=DefaultPart(), bit_depth=BitDepth())

    def for_numbers(self, fields: Sequence[Field]) -> "SourceOpener":
        """Return an opener of the column of numbers that a part by key names.

        For other parts, and without ``select=``, it is this opener.
        """
        name = single_step(self.options.select) if self.by_key else None
        if name is None or name not in (field.name for field in fields if field.is_numeric):
            return self
        return self.with_options(select=None, columns=(name,))

    def check_no_select(self, x: object) -> None:
        """Check that there is no ``select=`` for an object without parts, or for its name.

        Raises
        ------
        DataError
            If there is.
        """
        self.options.check_no_select(_name_of(x))

    def check_no_image_options(self, x: object) -> None:
        """Check that there are no options of images for an object without images, or for its name.

        If parts are read by key, the options are for those that are images.

        Raises
        ------
        DataError
            If there are.
        """
        if not self.by_key:
            self.options.check_no_image_options(_name_of(x))

    def check_no_file_options(self, x: object) -> None:
        """Check that there is neither ``csv=`` nor ``storage_options=`` for an object in memory.

        Raises
        ------
        DataError
            If there is.
        """
        check_no_csv(self.options.csv_format, _name_of(x))
        if self.options.storage_options:
            raise DataError(
                "storage_options= is for URLs of files, such as s3://bucket/x.csv. Received: "
                f"{_name_of(x)}. Omit it."
            )

    def as_source(self, opened: Table | Source) -> Source:
        """Return a table as a source, and a source unchanged."""
        if is_table(opened):
            return self.open_tables([opened], opened.label, opened.rows, opened.nbytes)
        return cast(Source, opened)

    def open_tables(
        self,
        tables: Iterable[Table],
        description: str,
        rows: int | None = None,
        nbytes: int | None = None,
    ) -> TableSource:
        """Return the source of one or several tables with the same columns.

        Raises
        ------
        DataError
            If ``feature_axis=`` is another axis than that of the columns; for options of images.
        """
        self.check_no_image_options(description)
        check_table_axis(self.options.feature_axis, description)
        return TableSource(
            tables,
            self.options.selection,
            description=description,
            rows=rows,
            nbytes=nbytes,
            resume_from=self.resume_from,
        )


def _name_of(x: object) -> str:
    """Return the name of an object for messages; a text is a name already."""
    return x if isinstance(x, str) else with_article(type(x).__name__)
