"""Columns of images are resumed after any crash, with the bits of an uninterrupted fit."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import evenly
from assertions import same
from csv_files import ledger, refused
from evenly.cli import main
from image_files import encoded, noise, write_zip
from simulated_crash import lives, raising, save_everywhere
from small_blocks import use_block_sizes

PIXELS = [noise(i, 2 + i % 3, 4, 3) for i in range(14)]
LABELS = ["cat", "dog", None, "cat", "dog", "dog", "cat"] * 2


def table(rows):
    images = [{"bytes": encoded(PIXELS[row], "PNG"), "path": None} for row in rows]
    return pa.table({"image": images, "label": [LABELS[row] for row in rows]})


def parquet(tmp_path):
    for number in (0, 1):
        rows = table(range(7 * number, 7 * number + 7))
        pq.write_table(rows, tmp_path / f"{number}.parquet", row_group_size=3)
    return [tmp_path / "0.parquet", tmp_path / "1.parquet"]


def arrow(tmp_path):
    pyarrow.feather.write_feather(table(range(14)), tmp_path / "x.arrow", chunksize=3)
    return [tmp_path / "x.arrow"]


def stream(tmp_path):
    data = table(range(14))
    with pa.ipc.new_stream(tmp_path / "x.arrows", data.schema) as writer:
        writer.write_table(data, max_chunksize=3)
    return [tmp_path / "x.arrows"]


def archive(tmp_path):
    """Two streams in one zip archive."""
    parts = {}
    for number in (0, 1):
        sink = pa.BufferOutputStream()
        data = table(range(7 * number, 7 * number + 7))
        with pa.ipc.new_stream(sink, data.schema) as writer:
            writer.write_table(data)
        parts[f"{number}.arrows"] = sink.getvalue().to_pybytes()
    return [write_zip(parts, tmp_path / "x.zip")]


def partitions(tmp_path):
    for number in (0, 1):
        folder = tmp_path / f"year={number}"
        folder.mkdir()
        pq.write_table(table(range(7 * number, 7 * number + 7)), folder / "x.parquet")
    return tmp_path


FORMS = [parquet, arrow, stream, archive, partitions]


def crashing(monkeypatch):
    save_everywhere(monkeypatch)
    use_block_sizes(monkeypatch, images_per_task=2)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("saves", [1, 2, 3])
@pytest.mark.parametrize("threads", [1, 2])
def test_any_crashes_leave_the_same_bits(form, saves, threads, tmp_path, state, monkeypatch):
    source = form(tmp_path)
    expected = evenly.fit(source, select="image")
    crashing(monkeypatch)
    options = {"checkpoint": state, "threads": threads, "select": "image"}
    moments, number = lives(monkeypatch, source, saves, **options)
    assert same(moments, expected)
    assert number > 1
    assert evenly.load(state) == expected
    assert expected.rows == sum(image.size // 3 for image in PIXELS)
    together = np.concatenate([image.reshape(-1, 3) for image in PIXELS]).astype(int)
    assert moments.mean.tolist() == (together.sum(axis=0) / len(together)).tolist()


@pytest.mark.parametrize("form", FORMS)
def test_crashes_leave_the_same_groups(form, tmp_path, state, monkeypatch):
    source = form(tmp_path)
    expected = evenly.fit(source, select="image", by="label")
    crashing(monkeypatch)
    options = {"checkpoint": state, "select": "image", "by": "label", "threads": 2}
    moments, number = lives(monkeypatch, source, **options)
    assert number > 1
    assert list(moments) == ["cat", "dog", None]
    assert moments == evenly.load(state) == expected
    cats = [image for image, label in zip(PIXELS, LABELS, strict=True) if label == "cat"]
    assert moments["cat"].rows == sum(image.size // 3 for image in cats)


@pytest.mark.parametrize("form", FORMS)
def test_no_included_image_is_read_again(form, tmp_path, state, monkeypatch, read):
    source = form(tmp_path)
    evenly.fit(source, select="image")
    once = sorted(read)
    assert len(set(once)) == 14
    read.clear()
    crashing(monkeypatch)
    lives(monkeypatch, source, checkpoint=state, select="image", threads=1)
    assert sorted(read) == once


def test_a_file_resumes_in_its_middle(tmp_path, state, monkeypatch):
    (path,) = arrow(tmp_path)
    crashing(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", raising(KeyboardInterrupt, os.replace, 2))
        with pytest.raises(KeyboardInterrupt):
            evenly.fit(path, select="image", checkpoint=state, threads=1)
    assert '"complete": false, "members": 3, "mod' in state.read_text()
    fitted = evenly.fit(path, select="image", checkpoint=state)
    assert fitted == evenly.fit(path, select="image")
    assert ledger(state) == {"x.arrow": fitted.rows}


def test_new_files_are_added(tmp_path, state):
    first, second = parquet(tmp_path)
    evenly.fit(first, select="image", update=state)
    moments = evenly.fit(tmp_path / "*.parquet", select="image", update=state)
    assert moments == evenly.fit([first, second], select="image")


@pytest.mark.parametrize("rule", ["checkpoint", "update"])
def test_a_changed_file_is_refused(rule, tmp_path, state):
    first, _ = parquet(tmp_path)
    evenly.fit(first, select="image", **{rule: state})
    pq.write_table(table(range(3)), first)
    message = refused(evenly.SourceError, first, select="image", **{rule: state})
    assert "has changed" in message or "must not change" in message


def test_a_file_that_changes_while_it_is_read_is_dropped(tmp_path, state):
    first, second = parquet(tmp_path)

    def change(_):
        if len(ledger_of_calls) == 0:
            pq.write_table(table(range(10)), first)
        ledger_of_calls.append(1)

    ledger_of_calls = []
    refused(
        evenly.SourceError,
        [first, second],
        select="image",
        update=state,
        progress=change,
        threads=1,
    )
    assert list(ledger(state)) == ["1.parquet"]
    whole = evenly.fit([first, second], select="image", update=state)
    assert whole == evenly.fit([first, second], select="image")


def test_16_bit_images_may_follow_8_bit_groups(tmp_path, state):
    deep = noise(5, 2, 2, dtype=np.uint16)
    images = {"a": noise(1, 2, 2), "b": deep}
    paths = []
    for name, pixels in images.items():
        rows = pa.table({"image": [encoded(pixels, "PNG")], "label": ["x"]})
        pq.write_table(rows, tmp_path / f"{name}.parquet")
        paths.append(tmp_path / f"{name}.parquet")
    options = {"select": "image", "by": "label", "mode": "L"}
    evenly.fit(paths[0], update=state, **options)
    moments = evenly.fit(paths, update=state, **options)
    assert moments == evenly.fit(paths, **options)
    total = int(images["a"].astype(int).sum()) * 257 + int(deep.astype(int).sum())
    assert moments["x"].mean.tolist() == [total / 8]


def test_a_file_without_the_column_is_refused(tmp_path, state):
    parquet(tmp_path)
    pq.write_table(pa.table({"label": ["a"]}), tmp_path / "2.parquet")
    message = refused(evenly.ColumnError, tmp_path / "*.parquet", select="image", checkpoint=state)
    assert "must have the selected column" in message


def test_a_checkpoint_of_vectors_is_not_one_of_images(tmp_path, state):
    vectors = pa.table({"v": [[1.0, 2.0]], "image": [encoded(PIXELS[0], "PNG")]})
    pq.write_table(vectors, tmp_path / "x.parquet")
    evenly.fit(tmp_path / "x.parquet", select="v", checkpoint=state)
    message = refused(evenly.DataError, tmp_path / "x.parquet", select="image", checkpoint=state)
    assert "Received: images" in message


def test_a_column_of_images_has_no_weights(tmp_path, state):
    message = refused(
        evenly.DataError, parquet(tmp_path), select="image", weights="label", checkpoint=state
    )
    assert message.startswith("Images cannot have weights")


def test_the_command_resumes_a_column_of_images(tmp_path, state, capsys):
    paths = [str(path) for path in parquet(tmp_path)]
    assert main(["fit", paths[0], "--select", "image", "--update", str(state)]) == 0
    assert main(["fit", *paths, "--select", "image", "--update", str(state)]) == 0
    assert "1 file already included" in capsys.readouterr().err
    assert evenly.load(state) == evenly.fit(paths, select="image")
