"""Encode exact statistics in a fixed number of bytes, for a buffer and the state_dict.

A tensor can be stored in checkpoint formats that hold only tensors, and one of fixed size can be
copied, averaged, broadcast, and loaded in place. ``docs/format.md`` has the layout.

Averaging bytes destroys them, and tools may copy some buffers of a layer and not others. So the
bytes contain a digest of themselves, and one of the constants that were computed from them.
"""

import json
import struct
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

import torch
from torch import Tensor

from evenly import _core
from evenly.columns import ColumnNames
from evenly.errors import DataError, StatisticsFileError
from evenly.moments import Moments
from evenly.moments.metadata import LeftOut
from evenly.sources.images.bands import FULL_SCALE
from evenly.torch.scaling import as_numpy

_MAGIC = b"evenly\x00\x01"
_HEADER = struct.Struct("<8s16s16s?xH4xqQQ")
"""Magic, digest of all that follows, digest of the constants, frozen, white, rows, two sizes."""
_DIGEST = slice(8, 24)
_BYTES_PER_COLUMN = 1024
"""The sums of float64 values of any exponent need 860 bytes (unweighted)."""
_BYTES_PER_BIN = 20
"""A key and a count of up to 64 bits, as numbers of variable length."""
_MODES = {b"learning": False, b"frozen": True}


class State(NamedTuple):
    """The state of a layer that is stored.

    Attributes
    ----------
    moments
        The exact statistics.
    frozen
        Whether learning has stopped.
    white
        The value that is 1 in the input: 255 for statistics of 8-bit pixels and an input on the
        scale of 0 to 1; 1 for an input in the unit of the statistics.
    """

    moments: Moments
    frozen: bool
    white: int = 1


class Description(NamedTuple):
    """The metadata of moments: names, dtypes, and information about the fit."""

    columns: ColumnNames
    dtypes: tuple[str, ...] | str  # one for all columns, if they have the same
    sources: tuple[str, ...]
    left_out: LeftOut


class Stored(NamedTuple):
    """The result of `decode`: a state, and the digest of the constants written with it."""

    state: State
    constants: bytes


def size(num_features: int, bins: int = 0) -> int:
    """Return the number of bytes of the state of a layer.

    Parameters
    ----------
    bins
        The maximum number of bins of the distribution of a column; 0 for none.
    """
    distributions = num_features * (bins + 1) * _BYTES_PER_BIN if bins else 0
    return _BYTES_PER_COLUMN * (num_features + 4) + distributions


def constants_of(buffers: Sequence[Tensor]) -> bytes:
    """Return the values of hi, lo and scale as float64, on any device."""
    arrays = (as_numpy(buffer.to("cpu", torch.float64).contiguous()) for buffer in buffers)
    return b"".join(array.tobytes() for array in arrays)


def constants_digest(constants: bytes) -> bytes:
    """Return a digest of the values of hi, lo and scale."""
    return _digest(constants)


def stored_digest(exact: Tensor) -> bytes:
    """Return the digest in encoded bytes, on any device."""
    return as_numpy(exact[_DIGEST].cpu()).tobytes()


def digest_in(content: bytes | memoryview) -> bytes:
    """Return the digest in the result of `encode`."""
    return bytes(content[_DIGEST])


def encode(state: State, constants: bytes, capacity: int) -> bytes:
    """Return the bytes of a state, without the padding.

    Parameters
    ----------
    state
        The statistics.
    constants
        The `constants_digest` of the buffers.
    capacity
        The maximum number of bytes.

    Raises
    ------
    DataError
        If they need more than the capacity, because of long column names.
    """
    _, (sums, columns, dtypes, sources, rows, left_out) = state.moments.__reduce__()
    described = Description(columns, dtypes, sources, left_out)
    space = capacity - _HEADER.size - len(sums)
    names = _encode_names(described)
    if len(names) > space:
        names = _shorten(described, space)
    sizes = len(names), len(sums)
    head = _HEADER.pack(_MAGIC, bytes(16), constants, state.frozen, state.white, rows, *sizes)
    content = head[_DIGEST.stop :] + names + sums
    return _MAGIC + _digest(content) + content


def _digest(content: bytes) -> bytes:
    return sha256(content).digest()[:16]


@lru_cache(maxsize=16)
def _encode_names(described: Description) -> bytes:
    dtypes = described.dtypes
    one = dtypes[0] if len(set(dtypes)) == 1 else dtypes
    return json.dumps(described._replace(dtypes=one), ensure_ascii=False).encode()


def _shorten(described: Description, space: int) -> bytes:
    """Encode the metadata with as many sources and left out columns as fit, and count the others.

    Both are for information only.
    """
    sources, left_out = described.sources, described.left_out
    kept = max(len(sources), len(left_out))
    while kept:
        kept //= 2
        note = f"and {max(0, len(sources) - kept)} more"
        columns = f"and {max(0, len(left_out) - kept)} more", "there is no room for their names"
        short = described._replace(
            sources=(*sources[:kept], note) if kept < len(sources) else sources,
            left_out=(*left_out[:kept], columns) if kept < len(left_out) else left_out,
        )
        content = _encode_names(short)
        if len(content) <= space:
            return content
    raise DataError(
        f"The exact statistics of a layer have {space} bytes for the names of the columns. "
        f"Received: names of {len(_encode_names(described))} bytes. Fit the data with shorter "
        "names."
    )


def decode(exact: Tensor) -> Stored | None:
    """Decode the result of `encode`, with padding; None if it was averaged or damaged."""
    content = as_numpy(exact.detach().cpu().contiguous()).tobytes()
    if len(content) < _HEADER.size or not content.startswith(_MAGIC):
        return None
    _, digest, constants, frozen, white, rows, *sizes = _HEADER.unpack_from(content)
    names_end = _HEADER.size + sizes[0]
    end = names_end + sizes[1]
    if digest != _digest(content[_DIGEST.stop : end]):
        return None
    columns, dtypes, sources, left_out = json.loads(content[_HEADER.size : names_end])
    sums = _core.State.unpack(content[names_end:end])
    if isinstance(dtypes, str):
        dtypes = [dtypes] * sums.columns
    names = None if columns is None else tuple(columns)
    moments = Moments(sums, names, tuple(dtypes), tuple(sources), rows)
    moments.left_out = dict(left_out)
    return Stored(State(moments, frozen, white), constants)


def load(value: object) -> State:
    """Decode the extra state in a state_dict, and check all of it.

    It is the result of `encode`, or, in those of older versions, a mode and the bytes of a
    statistics file.

    Raises
    ------
    StatisticsFileError
        For any other value.
    """
    if not isinstance(value, Tensor) or value.dtype != torch.uint8 or value.ndim != 1:
        text = f"{value.dtype}, shape {tuple(value.shape)}" if isinstance(value, Tensor) else value
        raise StatisticsFileError(f"a tensor of bytes. Received: {text!r:.80}.")
    content = as_numpy(value.cpu().contiguous()).tobytes()
    if content.startswith(_MAGIC):
        return _load_current(value)
    mode, _, file = content.partition(b"\n")
    if mode not in _MODES:
        raise StatisticsFileError(
            f"b'frozen' or b'learning', and a statistics file. Received: {mode[:20]!r}."
        )
    return State(Moments.from_bytes(file), _MODES[mode])


def _load_current(value: Tensor) -> State:
    try:
        stored = decode(value)
        if stored is None:
            raise ValueError("bytes that were averaged, damaged or truncated")
        state = stored.state
        if state.white not in (1, *FULL_SCALE.values()):
            raise ValueError(f"{state.white} for white")
        checked = Moments.from_bytes(state.moments.to_bytes())
        checked.left_out = state.moments.left_out
        return state._replace(moments=checked)
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        raise StatisticsFileError(f"exact statistics as written. Received: {error}.") from None
