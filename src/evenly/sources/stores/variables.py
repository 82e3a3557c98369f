"""Variables: arrays of a store with their attributes and the names of their axes.

A variable is checked only when it is read, so that one that cannot be decoded does not affect the
others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

from evenly.errors import EvenlyError, UnsupportedTypeError
from evenly.sources.arrays import field_of
from evenly.sources.fields import Field
from evenly.sources.read_errors import corrupt_store_error, decode_errors
from evenly.sources.stores.cf import AttributeValueError, encoding_of, is_time, text_of
from evenly.sources.stores.decoded_array import DecodedArray
from evenly.sources.stores.stored_array import StoredArray

COORDINATE, BOUNDS = "coordinate", "bounds"


@dataclass(frozen=True)
class Variable:
    """An array of a store.

    Attributes
    ----------
    array
        The array, with the values as they are stored; or the error that opening it caused.
    label
        The name of the variable, for messages.
    attributes
        The attributes that say how values are encoded; see `evenly.sources.stores.cf`.
    dims
        The names of the axes; None if they have none.
    role
        `COORDINATE` or `BOUNDS` for a variable that describes the axes of others, else empty.
    """

    array: StoredArray | EvenlyError
    label: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    dims: tuple[str, ...] | None = None
    role: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return () if isinstance(self.array, EvenlyError) else tuple(self.array.shape)

    @cached_property
    def decoded(self) -> StoredArray:
        """The array with decoded values.

        Raises
        ------
        EvenlyError
            If it cannot be opened, or its attributes are invalid.
        """
        if isinstance(self.array, EvenlyError):
            raise self.array
        try:
            encoding = encoding_of(self.array.dtype, self.attributes)
        except AttributeValueError as error:
            raise _attribute_error(self.label, error) from None
        if encoding is None:
            return self.array
        return DecodedArray(self.array, encoding, self.label)

    def field(self, name: str) -> Field:
        """Return the column that the variable would be; its kind says why it is not fitted."""
        if isinstance(self.array, EvenlyError):  # raising it would keep the file open
            return Field(name, "not readable")
        try:
            dtype = self.decoded.dtype
        except EvenlyError:
            return Field(name, "invalid attributes")
        plain = field_of(name, dtype)
        if self.role and plain.is_numeric:
            return Field(name, self.role)
        if not self.shape:
            return Field(name, "scalar")
        if plain.is_numeric and is_time(self.attributes.get("units")):
            return Field(name, f"timestamp[{text_of(self.attributes['units'])}]")
        return plain


class Store(Protocol):
    """A file, a group or a data set with several variables, or a single one."""

    label: str

    def find(self, path: str) -> Mapping[str, Variable]:
        """Return the variables in a group by their paths in it.

        The path of the whole store is empty. A path that leads to a variable gives that variable,
        under an empty name; a path that does not exist gives none.
        """


class LibraryStore:
    """Base class of stores that a library opened: its exceptions become a `SourceError`.

    Parameters
    ----------
    x
        The object of the library.
    label
        Its name, for messages.
    url
        The URL of the store, if it has one; its secrets are masked in messages.
    """

    def __init__(self, x: Any, label: str, url: str = "") -> None:
        self._x = x
        self._url = url
        self.label = label

    def find(self, path: str) -> Mapping[str, Variable]:
        """Return the variables at a path; see `Store`."""
        with decode_errors(self.label, corrupt_store_error, url=self._url):
            return self._find(path)

    def _find(self, path: str) -> Mapping[str, Variable]:
        raise NotImplementedError


def with_roles(
    variables: Mapping[str, Variable], *, coordinates: Iterable[str] = ()
) -> dict[str, Variable]:
    """Return variables with their roles, by the rules of xarray and the CF conventions.

    A coordinate has the name of an axis, or is named by the attribute ``coordinates`` of a variable
    in its group. Bounds are named by the attribute ``bounds`` of a variable.

    Parameters
    ----------
    coordinates
        The names of other coordinates.
    """
    roles = dict.fromkeys(coordinates, COORDINATE)
    for path, variable in variables.items():
        group = path.rpartition("/")[0]
        named = text_of(variable.attributes.get("coordinates")).split()
        for name in (*(variable.dims or ()), *named):
            roles[_join(group, name)] = COORDINATE
        for attribute in ("bounds", "climatology"):
            for name in text_of(variable.attributes.get(attribute)).split():
                roles.setdefault(_join(group, name), BOUNDS)
    return {
        path: replace(variable, role=roles.get(path, "")) for path, variable in variables.items()
    }


def _join(group: str, name: str) -> str:
    return f"{group}/{name}" if group else name


def _attribute_error(label: str, error: AttributeValueError) -> UnsupportedTypeError:
    return UnsupportedTypeError(
        "The attributes that encode the values of a variable must be numbers. "
        f"Received: {label} with {error}. Correct the attribute, or pass exclude= with the name."
    )
