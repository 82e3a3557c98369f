"""Files that change before their turn, or while they are read."""

import gc
import gzip
import io
import os
import tarfile
import weakref

import fsspec
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import evenly
from csv_files import day, ledger, refused
from evenly.sources.files.remote import RemoteFile
from image_files import write_zip
from simulated_crash import save_everywhere
from small_blocks import use_block_sizes


def rewrite(path, rows):
    """Write other rows, of another time, into a file of a kind that its suffix names."""
    x = np.arange(float(rows))
    if path.suffix == ".csv":
        day(path, rows)
    elif path.suffix == ".parquet":
        pd.DataFrame({"x": x}).to_parquet(path, row_group_size=2)
    elif path.suffix == ".npy":
        np.save(path, x[:, None])
    else:
        pd.DataFrame({"x": x}).to_feather(path)
    os.utime(path, ns=(0, rows))


def once(action, when):
    """A progress function that does something once, after so many rows."""

    def call(progress):
        nonlocal action
        if action and progress.rows >= when:
            doing, action = action, None
            doing()

    return call


SUFFIXES = ".csv", ".parquet", ".npy", ".arrow"


@pytest.fixture(params=SUFFIXES)
def files(request, tmp_path, monkeypatch):
    save_everywhere(monkeypatch)
    paths = [tmp_path / f"{number}{request.param}" for number in range(3)]
    for number, path in enumerate(paths):
        rewrite(path, 20 + number)
    return paths


@pytest.mark.parametrize("rule", ["checkpoint", "update"])
def test_a_file_that_changes_before_its_turn_is_noted_as_it_was_read(rule, files, state):
    change = once(lambda: rewrite(files[2], 40), 1)
    evenly.fit(files, **{rule: state}, progress=change, threads=1)
    assert ledger(state)[files[2].name] == 40
    assert evenly.fit(files, **{rule: state}) == evenly.fit(files)


@pytest.mark.parametrize("rule", ["checkpoint", "update"])
def test_a_file_that_is_replaced_while_it_is_read_is_named_and_dropped(rule, files, state):
    """Saves in its middle have some of its rows; in the end none are left."""
    other = files[0].with_name(f"new{files[0].suffix}")
    rewrite(other, 30)
    change = once(lambda: other.replace(files[1]), 24)
    message = refused(evenly.SourceError, files, **{rule: state}, progress=change, threads=1)
    assert message.startswith(f"A file must not change while it is read. Received: '{files[1]}', ")
    assert message.endswith(
        f"None of its rows are included in '{state}'; all other files are. Run the same command "
        "again when no other program writes to the file."
    )
    assert ledger(state) == {files[0].name: 20, files[2].name: 22}
    assert evenly.load(state) == evenly.fit([files[0], files[2]])
    moments = evenly.fit(files, **{rule: state})
    assert moments == evenly.fit(files)
    assert moments.max[0] == evenly.fit(files).max[0]


@pytest.mark.parametrize("rule", ["checkpoint", "update"])
def test_file_that_is_removed_while_it_is_read_is_named_and_dropped(rule, files, state):
    remove = once(files[1].unlink, 24)
    message = refused(evenly.SourceError, files, **{rule: state}, progress=remove, threads=1)
    if files[0].suffix == ".parquet":  # which is opened again for each row group
        assert message.endswith(f"Received: '{files[1]}': No such file or directory.")
        assert ledger(state) == {files[0].name: 20}
        return
    assert message.startswith(f"A file must not change while it is read. Received: '{files[1]}', ")
    assert ledger(state) == {files[0].name: 20, files[2].name: 22}
    assert evenly.load(state) == evenly.fit([files[0], files[2]])


@pytest.mark.parametrize("rule", ["checkpoint", "update"])
def test_archive_that_is_removed_while_it_is_read_is_named_and_dropped(
    rule, tmp_path, state, monkeypatch
):
    save_everywhere(monkeypatch)
    use_block_sizes(monkeypatch, images_per_task=1)
    paths = [tmp_path / f"{number}.tar" for number in range(3)]
    for number, path in enumerate(paths):
        archive(path, range(10 * number, 10 * number + 6))
    remove = once(paths[1].unlink, 16 * 8)
    message = refused(evenly.SourceError, paths, **{rule: state}, progress=remove, threads=1)
    assert str(paths[1]) in message
    assert ledger(state) == {"0.tar": 96, "2.tar": 96}


def test_groups_of_a_file_that_changes_are_dropped(tmp_path, state, monkeypatch):
    save_everywhere(monkeypatch)
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for number, path in enumerate(files):
        path.write_text("k,x\n" + "".join(f"{i % 3},{i + number}\n" for i in range(30)))

    def grow():
        with files[1].open("a") as file:
            file.write("1,1\n")

    refused(evenly.SourceError, files, by="k", update=state, progress=once(grow, 36))
    assert evenly.fit(files, by="k", update=state) == evenly.fit(files, by="k")


def test_a_file_that_changes_after_an_earlier_run_read_a_part_is_refused(files, state):
    def stop():
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        evenly.fit(files[:1], checkpoint=state, progress=once(stop, 12), threads=1)
    assert 0 < ledger(state)[files[0].name] < 20
    rewrite(files[0], 50)
    message = refused(evenly.SourceError, files[:1], checkpoint=state)
    assert message.startswith("A file that is already included must not change.")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_a_checkpoint_a_change_is_an_error(suffix, tmp_path, monkeypatch):
    save_everywhere(monkeypatch)
    path = tmp_path / f"x{suffix}"
    rewrite(path, 40)
    touch = once(lambda: os.utime(path, ns=(0, 5)), 2)
    message = refused(evenly.SourceError, path, progress=touch, threads=1)
    assert message.startswith(f"A file must not change while it is read. Received: '{path}', of ")


def picture(value):
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(file, "png")
    return file.getvalue()


def archive(path, values):
    with tarfile.open(path, "w") as tar:
        for value in values:
            content = picture(value)
            member = tarfile.TarInfo(f"{value}.png")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    os.utime(path, ns=(0, len(values)))


def test_an_image_that_changes_before_its_turn_is_noted_as_it_was_read(
    tmp_path, state, monkeypatch
):
    save_everywhere(monkeypatch)
    use_block_sizes(monkeypatch, images_per_task=1)
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        path.write_bytes(picture(number))
    change = once(lambda: paths[3].write_bytes(picture(200)), 1)
    evenly.fit(paths, checkpoint=state, threads=1, progress=change)
    moments = evenly.fit(paths, checkpoint=state)
    assert moments == evenly.fit(paths)
    assert moments.max[0] == 200


def test_an_image_that_changes_while_it_is_read_is_broken(tmp_path, state, monkeypatch):
    path = tmp_path / "x.png"
    path.write_bytes(picture(1))
    fstat, times = os.fstat, iter(range(100))

    def later(descriptor):
        os.utime(path, ns=(0, next(times)))
        return fstat(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr("evenly.sources.images.image_file.os.fstat", later)
        assert "it changed while it was read" in refused(evenly.DataError, path, checkpoint=state)
    assert evenly.fit(path, checkpoint=state) == evenly.fit(path)


def test_an_archive_that_changes_while_it_is_read_is_named_and_dropped(
    tmp_path, state, monkeypatch
):
    save_everywhere(monkeypatch)
    use_block_sizes(monkeypatch, images_per_task=1)
    paths = [tmp_path / "0.tar", tmp_path / "1.tar"]
    archive(paths[0], range(6))
    archive(paths[1], range(10, 16))
    change = once(lambda: archive(paths[1], range(20, 29)), 16 * 8)
    message = refused(evenly.SourceError, paths, update=state, threads=1, progress=change)
    assert str(paths[1]) in message
    assert ledger(state) == {"0.tar": 96}
    assert evenly.load(state) == evenly.fit(paths[0])
    moments = evenly.fit(paths, update=state)
    assert moments == evenly.fit(paths)
    assert moments.min[0] == 0
    assert moments.max[0] == 28


def packed(path, values):
    """Write images into an archive of the kind that its suffix names."""
    if path.suffix == ".zip":
        write_zip({f"{value}.png": picture(value) for value in values}, path)
    elif path.suffix == ".tar":
        archive(path, values)
    else:
        plain = path.with_suffix(".plain")
        archive(plain, values)
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    os.utime(path, ns=(0, len(values)))


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
@pytest.mark.parametrize("broken", ["skip", "error"])
def test_archive_changed_while_read_without_checkpoint_is_an_error(
    name, broken, tmp_path, monkeypatch
):
    use_block_sizes(monkeypatch, images_per_task=1)
    path = tmp_path / name
    packed(path, range(9))
    change = once(lambda: os.utime(path, ns=(0, 77)), 16 * 3)
    with pytest.raises(evenly.SourceError, match="must not change while it is read") as caught:
        evenly.fit(path, progress=change, threads=1, broken=broken)
    assert repr(str(path)) in str(caught.value)
    assert evenly.fit(path, broken=broken).count[0] == 16 * 9


@pytest.mark.parametrize("suffix", ["csv", "parquet", "tar", "zip"])
def test_url_changed_while_read_is_an_error(suffix, tmp_path, monkeypatch):
    save_everywhere(monkeypatch)
    use_block_sizes(monkeypatch, images_per_task=1)
    files = fsspec.filesystem("memory")
    url = f"memory://changing/x.{suffix}"
    for size in (4000, 4001):
        path = tmp_path / f"{size}.{suffix}"
        if suffix == "csv":
            path.write_text("x\n" + "1\n" * size)
        elif suffix == "parquet":
            pd.DataFrame({"x": np.arange(float(size))}).to_parquet(path, row_group_size=9)
        else:
            packed(path, range(size - 3990))
    files.pipe("/changing/x." + suffix, (tmp_path / f"4000.{suffix}").read_bytes())
    evenly.fit(url)
    change = once(lambda: files.put(str(tmp_path / f"4001.{suffix}"), url), 1)
    with pytest.raises(evenly.SourceError, match="must not change while it is read"):
        evenly.fit(url, progress=change, threads=1)
    evenly.fit(url)


def test_zarr_store_changed_while_read_is_an_error(tmp_path):
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "x.zarr"
    array = zarr.create_array(path, shape=(64, 2), chunks=(8, 2), dtype="f8")
    array[:] = np.arange(128.0).reshape(64, 2)
    evenly.fit(path)

    def change():
        array[60:, :] = np.pi

    with pytest.raises(evenly.SourceError, match="must not change while it is read"):
        evenly.fit(path, progress=once(change, 1), threads=1)


def test_a_file_far_away_is_closed_when_a_fit_is_done(state, monkeypatch):
    """Without the garbage collector: what is in a cycle stays open, and is warned of."""
    content = io.BytesIO()
    pd.DataFrame({"x": [1.0, 2.0]}).to_parquet(content)
    fsspec.filesystem("memory").pipe("/closed.parquet", content.getvalue())
    opened = []

    def init(self, *arguments):
        opened.append(weakref.ref(self))
        begin(self, *arguments)

    begin = RemoteFile.__init__
    monkeypatch.setattr(RemoteFile, "__init__", init)
    gc.disable()
    try:
        evenly.fit("memory://closed.parquet", checkpoint=state)
        assert [file() for file in opened] == [None]
    finally:
        gc.enable()
