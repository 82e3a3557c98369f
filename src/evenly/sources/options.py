"""The options of `evenly.fit`, made once and passed as one value."""

from dataclasses import dataclass, field
from typing import Any, get_args

from evenly.chosen_columns import as_names
from evenly.errors import DataError
from evenly.sources.files.csv_options import CsvFormat, parse_csv_options
from evenly.sources.group_names import parse_by
from evenly.sources.selection import ColumnSelection
from evenly.typing import (
    Broken,
    Columns,
    CsvOptions,
    FeatureAxis,
    ImageMode,
    Infinite,
    StorageOptions,
)

MODES = get_args(ImageMode)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """The options of `evenly.fit` that decide which data is read, and how.

    An option that has its default costs a few bytes in a pickle, which engines send with each
    task.

    Attributes
    ----------
    columns, exclude
        Names and positions, as tuples; see `evenly.fit`.
    weights
        The name of the column of weights, or one number per row.
    select
        The part of batches, or the path of an array inside a file.
    feature_axis
        The axis of an array that holds the columns; see `evenly.fit`.
    mode, broken
        How to read images.
    by
        The names of key columns, the part of a batch that has the keys, or one key per row.
    csv
        How CSV files are written.
    storage_options
        The options of the file systems of URLs, which may be secret.

    Raises
    ------
    DataError, ColumnError
        For a value that is not allowed.
    """

    columns: Columns | None = None
    exclude: Columns = ()
    weights: Any = None  # the name of a column, or any array-like object
    select: object = None
    feature_axis: FeatureAxis = None
    mode: ImageMode = "RGB"
    broken: Broken = "skip"
    by: Any = None  # names, or one key per row
    csv: CsvOptions | CsvFormat | None = None
    storage_options: StorageOptions | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.columns is not None:  # an iterator could be read only once
            object.__setattr__(self, "columns", as_names(self.columns))
        object.__setattr__(self, "exclude", as_names(self.exclude))
        if self.csv is not None:
            object.__setattr__(self, "csv", parse_csv_options(self.csv))
        if self.mode not in MODES:
            raise DataError(
                f"mode must be one of {', '.join(map(repr, MODES))}. Received: {self.mode!r}. "
                "'RGB' reads all images as color, 'L' as grayscale, 'native' as stored."
            )
        if self.broken not in ("skip", "error"):
            raise DataError(
                f"broken must be 'skip' or 'error'. Received: {self.broken!r}. 'skip' counts and "
                "names images that cannot be read, 'error' stops at the first."
            )

    @property
    def csv_format(self) -> CsvFormat:
        """How CSV files are written."""
        return parse_csv_options(self.csv)

    def check_no_select(self, name: str) -> None:
        """Check that there is no ``select=`` for an object without parts.

        Raises
        ------
        DataError
            If there is.
        """
        if self.select is not None:
            raise DataError(
                "select= chooses a part of batches, of a dict, an array in a file, or a column of "
                f"lists. Received: select={self.select!r} for {name}. "
                "Choose columns with columns=."
            )

    def check_no_image_options(self, name: str) -> None:
        """Check that ``mode=`` and ``broken=`` are not given for an object without images.

        Raises
        ------
        DataError
            If one of them is.
        """
        for option, default in (("broken", "skip"), ("mode", "RGB")):
            if (value := getattr(self, option)) != default:
                raise DataError(f"{option}={value!r} is for images. Received: {name}. Omit it.")

    @property
    def weights_column(self) -> str | None:
        """The name of the column of weights; None without weights, or if they are an array."""
        return self.weights if isinstance(self.weights, str) else None

    @property
    def selection(self) -> ColumnSelection:
        """The columns, weights and keys that are given by names or positions."""
        columns: Any = self.columns  # tuples since `__post_init__`
        exclude: Any = self.exclude
        return ColumnSelection(columns, exclude, self.weights_column, parse_by(self.by))

    @property
    def has_weights_array(self) -> bool:
        """Whether there is one weight per row."""
        return self.weights is not None and self.weights_column is None

    @property
    def has_keys_array(self) -> bool:
        """Whether there is one group key per row."""
        return self.by is not None and not parse_by(self.by)

    @property
    def in_order(self) -> bool:
        """Whether rows must be read in order, because weights or keys are given per row."""
        return self.has_weights_array or self.has_keys_array


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions(ReadOptions):
    """The options of `evenly.fit` for reading and for fitting.

    Attributes
    ----------
    infinite
        How to handle infinities.
    threads
        The number of threads. None: `evenly.threads` here, and one in each task of an engine,
        since engines run one task per core.
    distribution
        The maximum number of bins of each column's distribution; 0 for none.
    """

    infinite: Infinite = "error"
    threads: int | None = None
    distribution: int = 0
