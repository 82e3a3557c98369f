"""Images go on after every death, with every bit; and what is noticed when they do."""

import logging
import os
import signal
import threading

import numpy as np
import pytest
from PIL import Image

import evenly
from assertions import same
from csv_files import ledger, refused
from evenly.checkpoint.signals import InterruptRequest
from evenly.cli import main
from evenly.sources.images import source as image_source
from image_files import collection, encoded, noise, write_folder, write_tar, write_zip
from simulated_crash import lives, raising, save_everywhere
from small_blocks import use_block_sizes

MANY = {f"{i % 3}/{i:02}.png": encoded(noise(i, 3 + i % 4, 5, 3), "PNG") for i in range(20)}
ALL = collection() | MANY | {"1/broken.jpg": b"", "0/deep.png": encoded(noise(9, 4, 4), "PNG")}


@pytest.fixture
def photos(tmp_path):
    """A folder of four images."""
    return write_folder(dict(list(MANY.items())[:4]), tmp_path / "photos")


def sources(folder):
    """The same images, in each form in which they may come."""
    (folder / "x").mkdir()
    write_folder(ALL, folder / "photos")
    half = dict(list(ALL.items())[::2]), dict(list(ALL.items())[1::2])
    zipped = write_zip(ALL, folder / "x.zip")
    tars = [write_tar(files, folder / "x" / f"{i}.tar") for i, files in enumerate(half)]
    return {
        "folder": folder / "photos",
        "pattern": f"{folder}/photos/*/*.[jp]*g",
        "list": [folder / "photos" / name for name in MANY],
        "tar": write_tar(ALL, folder / "x.tar"),
        "tar.gz": write_tar(ALL, folder / "x.tar.gz"),
        "zip": zipped,
        "shards": tars,
        "shards and files": [
            tars[1],
            folder / "photos" / "3.bmp",
            write_zip(ALL, folder / "a.zip"),
        ],
    }


def dying(monkeypatch):
    save_everywhere(monkeypatch)
    use_block_sizes(monkeypatch, images_per_task=2)


FORMS = ["folder", "pattern", "list", "tar", "tar.gz", "zip", "shards", "shards and files"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("saves", [1, 2, 3])
@pytest.mark.parametrize("threads", [1, 2])
def test_any_deaths_leave_the_same_bits(form, saves, threads, tmp_path, monkeypatch):
    source = sources(tmp_path)[form]
    expected = evenly.fit(source)
    dying(monkeypatch)
    state = tmp_path / "state.json"
    moments, number = lives(monkeypatch, source, saves, checkpoint=state, threads=threads)
    assert same(moments, expected)
    assert number > 1
    assert evenly.load(state) == expected


@pytest.mark.parametrize("form", FORMS)
def test_no_image_that_is_in_the_sums_is_read_again(form, tmp_path, monkeypatch, read):
    source = sources(tmp_path)[form]
    evenly.fit(source)
    once = sorted(place for place in read if "broken" not in place)
    read.clear()
    dying(monkeypatch)
    lives(monkeypatch, source, checkpoint=tmp_path / "state.json", threads=1)
    assert sorted(place for place in read if "broken" not in place) == once


def test_an_archive_goes_on_in_its_middle(tmp_path, state, monkeypatch):
    """What of it was read is a number of images; when all are, that is not needed any more."""
    path = write_tar({"broken.jpg": b""} | MANY, tmp_path / "x.tar")
    dying(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", raising(KeyboardInterrupt, os.replace, 2))
        with pytest.raises(KeyboardInterrupt):
            evenly.fit(path, checkpoint=state, threads=1)
    assert '"complete": false, "members": 5, "mod' in state.read_text()
    assert evenly.fit(path, checkpoint=state) == evenly.fit(path)
    assert '"complete": true, "modified"' in state.read_text()
    assert ledger(state) == {"x.tar": evenly.fit(path).rows}


# New, gone, changed


@pytest.mark.parametrize("rule", ["checkpoint", "update"])
def test_an_added_image_is_fitted(rule, photos, state, read):
    evenly.fit(photos, **{rule: state})
    write_folder({"new/x.png": encoded(noise(50, 6, 6, 3), "PNG")}, photos)
    read.clear()
    moments = evenly.fit(photos, **{rule: state})
    assert read == [f"{photos}/new/x.png"]
    assert moments == evenly.fit(photos)


@pytest.mark.parametrize("rule", ["checkpoint", "update"])
def test_a_changed_image_is_an_error(rule, photos, state):
    evenly.fit(photos, **{rule: state})
    (photos / "0/00.png").write_bytes(MANY["0/03.png"])
    message = refused(evenly.SourceError, photos, **{rule: state})
    assert message.startswith("A file that is already included must not change.")
    assert f"'{photos}/0/00.png', then " in message


def test_a_vanished_image_is_an_error_and_none_for_an_update(photos, state):
    whole = evenly.fit(photos, checkpoint=state)
    (photos / "0/00.png").unlink()
    message = refused(evenly.SourceError, photos, checkpoint=state)
    assert "'photos/0/00.png'" not in message
    assert f"{photos}/0/00.png" in message
    assert message.endswith(f"start again without them: remove '{state}'.")
    assert evenly.fit(photos, update=state) == whole


def test_an_archive_that_has_grown_has_changed(tmp_path, state):
    path = write_tar(dict(list(MANY.items())[:3]), tmp_path / "x.tar")
    evenly.fit(path, checkpoint=state)
    write_tar(MANY, path)
    assert "x.tar', then " in refused(evenly.SourceError, path, checkpoint=state)


def test_a_finished_fit_reads_and_writes_nothing(photos, state, read):
    whole = evenly.fit(photos, checkpoint=state)
    before = state.stat().st_mtime_ns
    read.clear()
    assert same(evenly.fit(photos, checkpoint=state), whole)
    assert state.stat().st_mtime_ns == before
    assert read == []


def test_an_image_under_two_names_is_refused(photos, state):
    (photos / "link.png").symlink_to(photos / "0/00.png")
    both = [photos / "0/00.png", photos / "link.png"]
    assert "is read once. Received twice: " in refused(evenly.SourceError, both, checkpoint=state)


def test_an_image_and_a_link_to_it_in_one_folder_are_one_image(photos, state):
    alone = evenly.fit(photos)
    (photos / "link.png").symlink_to(photos / "0/00.png")
    assert evenly.fit(photos, checkpoint=state) == alone


def test_images_from_elsewhere_go_on_too(tmp_path, state, monkeypatch):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe({f"/photos/{name}": content for name, content in MANY.items()})
    expected = evenly.fit("memory://photos")
    dying(monkeypatch)
    moments, number = lives(monkeypatch, "memory://photos", checkpoint=state)
    assert same(moments, expected)
    assert number > 3
    memory.rm("/photos", recursive=True)


# Broken


def test_a_broken_image_is_tried_and_named_each_time(photos, state, caplog):
    (photos / "broken.jpg").write_bytes(b"")
    whole = evenly.fit(photos, checkpoint=state)
    assert "photos/broken.jpg" not in ledger(state)
    for said in ("1 of 5 images", "1 of 1 image"):
        assert f"skipped: {said} ({photos}/broken.jpg: it is empty)" in caplog.text
        caplog.clear()
        assert evenly.fit(photos, checkpoint=state) == whole


@pytest.mark.parametrize("rule", ["checkpoint", "update"])
def test_a_broken_image_that_was_mended_is_fitted(rule, photos, state):
    (photos / "x.png").write_bytes(MANY["2/05.png"][:50])
    evenly.fit(photos, **{rule: state})
    (photos / "x.png").write_bytes(MANY["2/05.png"])
    assert evenly.fit(photos, **{rule: state}) == evenly.fit(photos)
    assert "photos/x.png" in ledger(state)


def test_a_broken_image_may_be_removed(photos, state):
    (photos / "x.png").write_bytes(b"")
    whole = evenly.fit(photos, checkpoint=state)
    (photos / "x.png").unlink()
    assert evenly.fit(photos, checkpoint=state) == whole


def test_a_link_that_leads_nowhere_is_broken(photos, state, caplog):
    (photos / "gone.jpg").symlink_to(photos / "nowhere.jpg")
    assert evenly.fit(photos, checkpoint=state) == evenly.fit(photos)
    assert "gone.jpg: No such file or directory" in caplog.text


def test_broken_members_are_passed_with_their_archive(tmp_path, state, read):
    files = {"a.jpg": b"", "b.png": MANY["0/00.png"], "c.jpg": b""}
    whole = evenly.fit(write_zip(files, tmp_path / "x.zip"), checkpoint=state)
    assert len(read) == 3
    assert evenly.fit(tmp_path / "x.zip", checkpoint=state) == whole
    assert len(read) == 3


def test_when_none_can_be_read_that_is_an_error_until_some_can(photos, state):
    (photos / "new").mkdir()
    (photos / "new" / "x.png").write_bytes(b"")
    message = refused(evenly.DataError, photos / "new", update=state)
    assert message.startswith("At least one image must be readable. Received: ")
    assert not state.exists()
    assert evenly.fit(photos, update=state) == evenly.fit(photos)


def test_strict_stops_and_going_on_may_leave_it_away(photos, state):
    (photos / "broken.jpg").write_bytes(b"")
    whole = evenly.fit(photos)
    evenly.fit(photos / "0", update=state, broken="error")
    message = refused(evenly.SourceError, photos, update=state, broken="error")
    assert message.startswith(f"Every image must be readable. Received: {photos}/broken.jpg")
    assert evenly.fit(photos, update=state) == whole
    assert refused(evenly.DataError, photos, update=state, broken="error") == (
        "A fit must be resumed with the options that it was started with. Received: "
        f"broken='error'; '{state}' was started with broken='skip'. Pass the same options, or "
        "start again with another "
        "checkpoint."
    )


# Options, depths, bands


def test_another_mode_is_refused(photos, state):
    evenly.fit(photos, checkpoint=state)
    message = refused(evenly.DataError, photos, checkpoint=state, mode="L")
    assert f"Received: mode='L'; '{state}' was started with mode='RGB'." in message


def test_options_of_images_are_refused_for_tables_before_a_checkpoint_is_written(days, state):
    for option in ({"mode": "L"}, {"broken": "error"}):
        assert "is for images" in refused(evenly.DataError, days, checkpoint=state, **option)
    assert not state.exists()


def test_images_and_tables_have_checkpoints_of_their_own(photos, days, state, tmp_path):
    evenly.fit(photos, checkpoint=state)
    assert refused(evenly.DataError, days, update=state) == (
        "A checkpoint holds either images or tables and arrays. Received: tables or arrays; "
        f"'{state}' holds images. Use another checkpoint."
    )
    evenly.fit(days, checkpoint=tmp_path / "days.json")
    message = refused(evenly.DataError, photos, update=tmp_path / "days.json")
    assert "Received: images; " in message


@pytest.mark.parametrize("columns", [["green"], ["blue", "red"]])
def test_some_columns_go_on(columns, photos, state, monkeypatch):
    expected = evenly.fit(photos, columns=columns)
    dying(monkeypatch)
    moments, _ = lives(monkeypatch, photos, checkpoint=state, columns=columns)
    assert same(moments, expected)


@pytest.mark.parametrize("mode", ["RGB", "L", "native"])
@pytest.mark.parametrize("first", ["8", "16"])
def test_depths_that_come_one_after_the_other_have_one_scale(mode, first, tmp_path, state):
    files = {
        "8.png": encoded(noise(0, 5, 7), "PNG"),
        "16.png": encoded(noise(1, 3, 3, dtype=np.uint16), "PNG"),
    }
    folder = write_folder(files, tmp_path / "photos")
    evenly.fit(folder / f"{first}.png", update=state, mode=mode)
    moments = evenly.fit(folder, checkpoint=state, mode=mode)
    assert same(moments, evenly.fit(folder, mode=mode))
    assert moments.dtypes[0] == "uint16"


def test_what_has_no_white_is_not_added_to_16_bits_of_before(tmp_path, state):
    Image.fromarray(noise(0, 3, 3, dtype=np.uint16)).save(tmp_path / "a.png")
    Image.fromarray(np.ones((3, 3), np.float32)).save(tmp_path / "b.tiff")
    evenly.fit(tmp_path / "b.tiff", update=state, mode="native")
    message = refused(evenly.DataError, tmp_path / "a.png", update=state, mode="native")
    assert f"Received: {tmp_path}/a.png, with float32 and uint16. Fit them separately." in message
    assert ledger(state) == {"b.tiff": 9}


def test_native_bands_are_those_of_the_first_run(tmp_path, state, monkeypatch):
    (tmp_path / "a.png").write_bytes(encoded(noise(0, 4, 4, 4), "PNG"))
    (tmp_path / "b.png").write_bytes(encoded(noise(0, 4, 4, 3), "PNG"))
    evenly.fit(tmp_path / "a.png", update=state, mode="native", columns=["red"])
    message = refused(
        evenly.DataError, tmp_path / "b.png", update=state, mode="native", columns=["red"]
    )
    assert f"Received: {state} with 'red', 'green', 'blue', 'alpha', {tmp_path}/b.png" in message


@pytest.mark.parametrize("options", [{"select": "x"}, {"weights": "w"}, {"by": "k"}])
def test_what_images_do_not_take_is_refused_as_without_a_checkpoint(options, photos, state):
    message = refused(evenly.DataError, photos, **options)
    assert refused(evenly.DataError, photos, checkpoint=state, **options) == message
    assert os.listdir(state.parent) == ["photos"]


# Interrupted


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_saves_what_is_summed(threads, photos, state, monkeypatch):
    write_folder(MANY, photos)
    whole = evenly.fit(photos)
    use_block_sizes(monkeypatch, images_per_task=2)
    noted, note = threading.Event(), InterruptRequest._note
    monkeypatch.setattr(InterruptRequest, "_note", lambda *x: (note(*x), noted.set()))

    def interrupt(progress):  # while it waits, the other threads cannot report
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        if threads > 1:
            noted.wait()

    with pytest.raises(KeyboardInterrupt) as caught:
        evenly.fit(photos, checkpoint=state, progress=once(interrupt), threads=threads)
    assert str(caught.value) == f"interrupted. Run the same command again to resume from '{state}'."
    assert 0 < len(ledger(state)) < len(MANY)
    assert evenly.fit(photos, checkpoint=state) == whole


def once(function):
    done = []
    return lambda progress: done or done.append(function(progress))


def test_an_interrupt_before_the_first_image_that_can_be_read(tmp_path, state, monkeypatch):
    files = {f"{i}.jpg": b"" for i in range(9)}
    folder = write_folder(files, tmp_path / "photos")
    use_block_sizes(monkeypatch, images_per_task=1)

    def interrupt(picture):
        signal.raise_signal(signal.SIGINT)
        return b""

    monkeypatch.setattr(image_source, "read_image", interrupt)
    with pytest.raises(KeyboardInterrupt):
        evenly.fit(folder, checkpoint=state, threads=1)
    monkeypatch.undo()
    (folder / "x.png").write_bytes(MANY["0/00.png"])
    assert evenly.fit(folder, checkpoint=state, mode="RGB") == evenly.fit(folder)


# The command


def test_the_command_says_what_of_it_is_of_this_run(photos, state, capsys):
    (photos / "broken.jpg").write_bytes(b"")
    assert main(["fit", str(photos / "0"), "--update", str(state)]) == 0
    assert capsys.readouterr().err == "2 images, one row per pixel\n"
    assert main(["fit", str(photos), "--checkpoint", str(state)]) == 0
    assert capsys.readouterr().err == (
        "in this run: 2 images, one row per pixel\n"
        f"skipped: 1 of 3 images ({photos}/broken.jpg: it is empty)\n"
        f"resumed from {state}: 2 files already included\n"
    )
    assert main(["fit", str(photos), "--checkpoint", str(state), "--strict"]) == 1
    assert capsys.readouterr().err == (
        "evenly: A fit must be resumed with the options that it was started with. Received: "
        f"--strict; '{state}' was started with no --strict. Pass the same options, or start again "
        "with another "
        "checkpoint.\n"
    )


def test_the_output_is_that_of_one_run(photos, state, tmp_path, capsys):
    assert main(["fit", str(photos / "0"), "--update", str(state), "-q"]) == 0
    for options in (["--checkpoint", str(state), "-o", "a.json"], ["-o", "b.json"]):
        options[-1] = str(tmp_path / options[-1])
        assert main(["fit", str(photos), *options, "-q"]) == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_images_that_cannot_be_read_are_logged_only_by_the_python_function(
    photos, state, caplog, capsys
):
    (photos / "broken.jpg").write_bytes(b"")
    line = f"skipped: 1 of 5 images ({photos}/broken.jpg: it is empty)"
    with caplog.at_level(logging.WARNING, "evenly"):
        assert main(["fit", str(photos), "--checkpoint", str(state)]) == 0
    assert caplog.messages == []
    assert line in capsys.readouterr().err.splitlines()
    with caplog.at_level(logging.WARNING, "evenly"):
        evenly.fit(photos, checkpoint=state.with_name("other.json"))
    assert caplog.messages == [f"{photos}: {line}"]
