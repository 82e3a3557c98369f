"""Tests of NPY and NPZ files: memory-mapped, streamed, truncated and pickled."""

import gzip
import os
import signal
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

import evenly
from evenly.sources import open_source
from small_blocks import use_block_sizes


@pytest.fixture
def array():
    return np.random.default_rng(1).normal(size=(100, 3))


def test_npy_file_is_memory_mapped(tmp_path, array):
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
def test_feature_axis_of_image_arrays(tmp_path, monkeypatch, axis, order, suffix):
    use_block_sizes(monkeypatch, npy_bytes=100)
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


def test_files_of_different_widths_are_rejected(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    np.save(tmp_path / "b.npy", array[:, :2])
    with pytest.raises(evenly.DataError, match=r"batch 1 \(.*b.npy\) with 2 columns; those before"):
        evenly.fit(tmp_path)


@pytest.mark.parametrize("suffix", [".npy", ".npy.gz"])
@pytest.mark.parametrize("keep", [20, 200, -8])
def test_truncated_file_is_rejected(tmp_path, array, suffix, keep):
    np.save(tmp_path / "x.npy", array)
    data = (tmp_path / "x.npy").read_bytes()[:keep]
    path = tmp_path / f"x{suffix}"
    path.write_bytes(gzip.compress(data) if suffix == ".npy.gz" else data)
    with pytest.raises(evenly.SourceError, match="A file must be complete"):
        evenly.fit(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_pickled_objects_are_rejected(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    x = np.array([[1, "a"]], object)
    np.savez(path, x=x) if suffix == ".npz" else np.save(path, x)
    with pytest.raises(evenly.UnsupportedTypeError, match="evenly does not unpickle"):
        evenly.fit(path)


def test_text_is_rejected(tmp_path):
    np.save(tmp_path / "x.npy", np.array(["a"]))
    with pytest.raises(evenly.UnsupportedTypeError, match=r"x.npy of dtype <U1"):
        evenly.fit(tmp_path / "x.npy")


def test_array_without_rows_is_rejected(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((0, 3)))
    with pytest.raises(evenly.DataError, match=r"Received: .*x.npy, with none"):
        evenly.fit(tmp_path / "x.npy")


def test_npz_with_several_arrays_needs_select(tmp_path, array):
    np.savez(tmp_path / "x.npz", train=array, test=array[:2])
    with pytest.raises(
        evenly.DataError, match=r"'train', 'test'. Pass select='train', for example."
    ):
        evenly.fit(tmp_path / "x.npz")
    with pytest.raises(evenly.ColumnError, match=r"select='tests'.*Did you mean 'test'"):
        evenly.fit(tmp_path / "x.npz", select="tests")
    assert evenly.fit(tmp_path / "x.npz", select="test").rows == 2


def test_saved_bfloat16_is_rejected(tmp_path):
    """NumPy saves bfloat16 as raw bytes without its dtype."""
    np.save(tmp_path / "x.npy", np.ones((2, 2), ml_dtypes.bfloat16))
    with pytest.raises(evenly.UnsupportedTypeError, match="of dtype"):
        evenly.fit(tmp_path / "x.npy")


def test_mapped_pages_are_released(tmp_path):
    """Resident memory must not grow with the file, although every page is read."""
    np.save(tmp_path / "x.npy", np.zeros((100_000_000 // 8, 1)))
    source = open_source(tmp_path / "x.npy")
    for block in source.blocks():
        evenly.Moments.empty().update(block)
    pages = _resident(tmp_path / "x.npy")
    assert pages < 20_000  # kB


_SHRINKING = """
import os, sys
import numpy as np
import evenly
from evenly.sources import block_sizes, open_source

block_sizes.current = block_sizes.BlockSizes(
    array_bytes=2**16, copied_array_bytes=2**16, mapped_npy_bytes=2**16, min_array_rows=1
)
path, threads = sys.argv[1], int(sys.argv[2])
wide = np.arange(400_000.0).reshape(-1, 8)
records = np.zeros(50_000, [("a", "f8"), ("b", "i4")])
cases = {
    "rows": (wide, {}),
    "columns": (wide, {"columns": [1, 5]}),
    "Fortran": (np.asfortranarray(wide), {}),
    "first axis": (np.ascontiguousarray(wide.T), {"feature_axis": 0}),
    "images": (wide.reshape(-1, 4, 5, 5), {"feature_axis": 1}),
    "swapped": (wide.astype(">f4"), {}),
    "records": (records, {}),
}
for name, (array, options) in cases.items():
    np.save(path, array)

    def shorten(progress):
        os.truncate(path, 4096)

    try:
        evenly.fit(path, threads=threads, progress=shorten, **options)
    except evenly.SourceError as error:
        print(name, "|", error)
    np.save(path, array)
    assert evenly.fit(path, **options) == evenly.fit(array, **options)
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_file_truncated_while_reading_is_an_error(tmp_path, threads):
    """Run in a subprocess: by default the system ends the process with SIGBUS."""
    path = tmp_path / "x.npy"
    command = [sys.executable, "-c", _SHRINKING, str(path), str(threads)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = found.stdout.splitlines()
    assert [line.partition(" |")[0] for line in lines] == [
        *("rows", "columns", "Fortran", "first axis", "images", "swapped", "records")
    ]
    for line in lines:
        assert "A file must not become shorter while it is read" in line
        assert f"Received: {path}, which was truncated" in line
        assert "Read it again when it is complete" in line


def test_other_bus_error_ends_process(tmp_path):
    """The handler passes faults outside of mapped files to the previous handler."""
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    code = f"""
import ctypes, mmap, os
import evenly
evenly.fit({str(tmp_path / "x.npy")!r})
with open({str(tmp_path / "y")!r}, "w+b") as file:
    file.write(bytes(2 * mmap.PAGESIZE))
    file.flush()
    pages = mmap.mmap(file.fileno(), 0)
    os.truncate(file.name, 0)
    pages[mmap.PAGESIZE]
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert found.returncode == -signal.SIGBUS


def test_checkpoint_excludes_missing_pages(tmp_path, monkeypatch, array):
    """The zeros in place of missing pages are not in any saved sums."""
    use_block_sizes(monkeypatch, array_bytes=2**16, min_array_rows=1)
    x = np.arange(400_000.0).reshape(-1, 8) + 1.0
    np.save(tmp_path / "x.npy", x)
    saved = tmp_path / "s.json"

    def shorten(progress):
        os.truncate(tmp_path / "x.npy", 4096)

    with pytest.raises(evenly.SourceError, match="must not become shorter"):
        evenly.fit(tmp_path / "x.npy", checkpoint=saved, progress=shorten)
    if saved.exists():
        moments = evenly.load(saved)
        assert moments.rows == 0 or moments == evenly.fit(x[: moments.rows])


def test_array_read_at_once_is_limited(tmp_path, monkeypatch):
    x = np.asfortranarray(np.zeros((1000, 10)))
    np.savez_compressed(tmp_path / "x.npz", x=x)
    monkeypatch.setenv("EVENLY_MAX_MEMBER_BYTES", "80000")
    assert evenly.fit(tmp_path / "x.npz").rows == 1000
    monkeypatch.setenv("EVENLY_MAX_MEMBER_BYTES", "79999")
    with pytest.raises(
        evenly.SourceError,
        match=r"at most 79,999 bytes. Received: .*x.npz, with 80,000. If you trust the file",
    ):
        evenly.fit(tmp_path / "x.npz")
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((1000, 10)))
    assert evenly.fit(tmp_path / "x.npz").rows == 1000  # in parts


@pytest.mark.parametrize("order", ["C", "F"])
def test_structured_array_in_archive_is_streamed(tmp_path, monkeypatch, order):
    use_block_sizes(monkeypatch, npy_bytes=100)
    x = np.zeros((5, 4), [("a", "f8"), ("b", "i4")], order=order)
    x["a"] = np.arange(20.0).reshape(5, 4)
    np.savez(tmp_path / "x.npz", x=x)
    assert evenly.fit(tmp_path / "x.npz") == evenly.fit(x)


def _resident(path):
    with open("/proc/self/smaps") as file:
        text = file.read()
    mapping = text.partition(str(path))[2]
    return int(mapping.partition("Rss:")[2].split()[0]) if mapping else 0
