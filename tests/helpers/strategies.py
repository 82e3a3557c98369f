"""Hypothesis strategies: data of every dtype, meant to break sums; and ways to split it."""

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

FLOATS = ("float64", "float32", "float16", "bfloat16")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES = (*FLOATS, *INTEGERS, "bool")
LAYOUTS = ("C", "F", "every other row", "backwards", "read-only")


def dtype(name):
    """Return the NumPy dtype of a name, bfloat16 too."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def values(name):
    """One finite number of a dtype: extremes, subnormals, signed zeros, ordinary ones."""
    if name == "bool":
        return st.booleans()
    if name in INTEGERS:
        info = np.iinfo(name)
        edges = [info.min, info.max, 0, 1, info.max - 1, info.min + 1]
        return st.one_of(st.sampled_from(edges), st.integers(int(info.min), int(info.max)))
    info = ml_dtypes.finfo(dtype(name))
    tiny, least, huge = (float(x) for x in (info.tiny, info.smallest_subnormal, info.max))
    edges = [0.0, -0.0, least, -least, tiny, -tiny, tiny - least, huge, -huge, 1.0, -1.0, 0.1]
    edges += [float(info.eps), 1 + float(info.eps), 1 - float(info.eps) / 2, huge / 3]
    return st.one_of(
        st.sampled_from(edges),
        st.floats(-huge, huge),
        st.floats(-1e3, 1e3),
        st.integers(-1000, 1000).map(float),
    )


@st.composite
def arrays(draw, names=DTYPES, *, max_rows=30, max_columns=4, missing=True, min_rows=0):
    """A 2-D array of finite numbers and, in floats, some NaN."""
    name = draw(st.sampled_from(names))
    shape = draw(st.integers(min_rows, max_rows)), draw(st.integers(1, max_columns))
    kind = draw(st.sampled_from(["one by one", "offset", "cancelling", "wide"]))
    if kind == "one by one" or name not in FLOATS:
        cells = draw(
            st.lists(values(name), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])
        )
        with np.errstate(over="ignore", under="ignore"):
            array = np.array(cells, dtype(name)).reshape(shape)
    else:
        array = _made(kind, name, shape, draw(st.integers(0, 2**32 - 1)))
    array = np.where(np.isinf(array), np.ones((), array.dtype), array).astype(array.dtype)
    if missing and name in FLOATS and array.size and draw(st.booleans()):
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        array[rng.random(shape) < 0.3] = np.nan
    return array


def _made(kind, name, shape, seed):
    rng = np.random.default_rng(seed)
    if kind == "offset":
        made = rng.normal(1.7e9, 3.0, shape)
    elif kind == "wide":
        made = rng.normal(size=shape) * np.exp2(rng.integers(-1000, 1000, shape))
    else:
        made = rng.normal(size=shape) * 2.0 ** rng.integers(-60, 60)
        made[1::2] = -made[: len(made[1::2])]
    with np.errstate(over="ignore", under="ignore"):
        return made.astype(dtype(name))


@st.composite
def laid_out(draw, array):
    """The same array in another layout of memory."""
    layout = draw(st.sampled_from(LAYOUTS))
    return in_layout(array, layout)


def in_layout(array, layout):
    """Return an equal array that lies in memory in another way."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "every other row":
        return np.repeat(array, 2, axis=0)[::2]
    if layout == "backwards":
        return np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1]
    if layout == "read-only":
        array = array.copy()
        array.flags.writeable = False
    return array


def splits(rows):
    """Ways to cut rows into consecutive parts, empty parts among them."""
    cuts = st.lists(st.integers(0, rows), max_size=6)
    return cuts.map(lambda c: list(zip([0, *sorted(c)], [*sorted(c), rows], strict=True)))


def whole_weights(rows):
    """Weights that are frequencies."""
    return st.lists(st.integers(0, 5), min_size=rows, max_size=rows)


def fractional_weights(rows):
    """Weights of any size, 0 among them."""
    one = st.one_of(st.sampled_from([0.0, 0.5, 0.1, 1.0, 2.0, 5e-324, 1e300]), st.floats(0, 1e6))
    return st.lists(one, min_size=rows, max_size=rows)


corrections = st.one_of(
    st.sampled_from([0, 1, 0.5, 2]), st.fractions(0, 3, max_denominator=1000), st.floats(0, 5)
)
