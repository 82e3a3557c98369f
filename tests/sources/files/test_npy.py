"""NPY and NPZ: mapped, streamed, whole or refused; nothing is ever unpickled."""

import gzip

import ml_dtypes
import numpy as np
import pytest

import evenly
from evenly.sources import open_source
from evenly.sources.files import npy


@pytest.fixture
def array():
    return np.random.default_rng(1).normal(size=(100, 3))


def test_a_file_is_mapped_not_read(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    (block,) = open_source(tmp_path / "x.npy").blocks()
    base = block.data
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    assert type(getattr(base, "obj", base)).__name__ == "mmap"


@pytest.mark.parametrize("dtype", ["u1", ">i2", "f2", ">f8", "?", "u8"])
def test_any_dtype_can_be_saved(tmp_path, array, dtype):
    x = (array * 10).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    assert evenly.fit(tmp_path / "x.npy") == evenly.fit(x)


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("suffix", [".npy", ".npy.gz", ".npz"])
def test_images_are_fitted_along_any_axis(tmp_path, monkeypatch, axis, order, suffix):
    monkeypatch.setattr(npy, "_BYTES", 100)
    x = np.asarray(np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5), order=order)
    path = tmp_path / f"x{suffix}"
    if suffix == ".npz":
        np.savez(path, x=x)
    else:
        np.save(tmp_path / "x.npy", x)
    if suffix == ".npy.gz":
        path.write_bytes(gzip.compress((tmp_path / "x.npy").read_bytes()))
    for columns in (None, [0, -1]):
        moments = evenly.fit(path, feature_axis=axis, columns=columns)
        assert moments == evenly.fit(x, feature_axis=axis, columns=columns)


def test_several_files_are_one_fit(tmp_path, array):
    np.save(tmp_path / "a.npy", array[:40])
    np.save(tmp_path / "b.npy", array[40:].astype(np.float32).astype(np.float64))
    expected = evenly.fit(array[:40]) + evenly.fit(array[40:].astype(np.float32))
    assert evenly.fit(tmp_path) == expected


def test_files_of_other_shapes_are_refused(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    np.save(tmp_path / "b.npy", array[:, :2])
    with pytest.raises(evenly.DataError, match=r"batch 1 \(.*b.npy\) with 2 columns; those before"):
        evenly.fit(tmp_path)


@pytest.mark.parametrize("suffix", [".npy", ".npy.gz"])
@pytest.mark.parametrize("keep", [20, 200, -8])
def test_a_truncated_file_is_refused(tmp_path, array, suffix, keep):
    np.save(tmp_path / "x.npy", array)
    data = (tmp_path / "x.npy").read_bytes()[:keep]
    path = tmp_path / f"x{suffix}"
    path.write_bytes(gzip.compress(data) if suffix == ".npy.gz" else data)
    with pytest.raises(evenly.SourceError, match="A file must be whole"):
        evenly.fit(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_objects_are_never_unpickled(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    x = np.array([[1, "a"]], object)
    np.savez(path, x=x) if suffix == ".npz" else np.save(path, x)
    with pytest.raises(evenly.UnsupportedTypeError, match="evenly unpickles nothing"):
        evenly.fit(path)


def test_text_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array(["a"]))
    with pytest.raises(evenly.UnsupportedTypeError, match=r"x.npy of dtype <U1"):
        evenly.fit(tmp_path / "x.npy")


def test_an_array_without_rows_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((0, 3)))
    with pytest.raises(evenly.DataError, match=r"Received: .*x.npy, with none"):
        evenly.fit(tmp_path / "x.npy")


def test_one_array_of_several_must_be_selected(tmp_path, array):
    np.savez(tmp_path / "x.npz", train=array, test=array[:2])
    with pytest.raises(
        evenly.DataError, match=r"'train', 'test'. Pass select='train', for example."
    ):
        evenly.fit(tmp_path / "x.npz")
    with pytest.raises(evenly.ColumnError, match=r"select='tests'.*Did you mean 'test'"):
        evenly.fit(tmp_path / "x.npz", select="tests")
    assert evenly.fit(tmp_path / "x.npz", select="test").rows == 2


def test_bfloat16_is_saved_without_its_name_and_refused(tmp_path):
    """NumPy writes it as raw bytes of two, which could be anything."""
    np.save(tmp_path / "x.npy", np.ones((2, 2), ml_dtypes.bfloat16))
    with pytest.raises(evenly.UnsupportedTypeError, match="of dtype"):
        evenly.fit(tmp_path / "x.npy")


def test_memory_of_a_mapped_file_is_given_back(tmp_path):
    """Resident memory must not grow with the file, though every page of it is touched."""
    np.save(tmp_path / "x.npy", np.zeros((100_000_000 // 8, 1)))
    source = open_source(tmp_path / "x.npy")
    for block in source.blocks():
        evenly.Moments.empty().update(block)
    pages = _resident(tmp_path / "x.npy")
    assert pages < 20_000  # kB


def _resident(path):
    with open("/proc/self/smaps") as file:
        text = file.read()
    mapping = text.partition(str(path))[2]
    return int(mapping.partition("Rss:")[2].split()[0]) if mapping else 0
