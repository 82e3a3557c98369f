"""What is noticed when a fit goes on: files that are new, gone or changed; other options."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
import zarr

import evenly
from csv_files import day, ledger, refused
from evenly.checkpoint.relative_paths import PathMapper
from evenly.checkpoint.store import CheckpointStore
from simulated_crash import Died, raising, save_everywhere

# New, gone, changed


@pytest.mark.parametrize("rule", ["checkpoint", "update"])
def test_an_added_file_is_fitted(rule, days, state):
    evenly.fit(days, **{rule: state})
    day(days / "0.csv", 3)
    assert evenly.fit(days, **{rule: state}) == evenly.fit(days)
    assert ledger(state) == {"days/0.csv": 3, "days/1.csv": 1, "days/2.csv": 2}


@pytest.mark.parametrize("rule", ["checkpoint", "update"])
def test_a_changed_file_is_an_error_that_says_what_it_was(rule, days, state):
    evenly.fit(days, **{rule: state})
    day(days / "2.csv", 4)
    before = state.read_bytes()
    assert refused(evenly.SourceError, days, **{rule: state}) == (
        "A file that is already included must not change. Received: "
        f"'{days}/2.csv', then 6 bytes of 2026-01-01 00:00:00.000000002 UTC; now 10 bytes of "
        "2026-01-01 00:00:00.000000004 UTC. Its old rows cannot be removed. Restore the old file; "
        "or keep its old rows as they are, if it was read completely: accept_changed=True; "
        f"or start again: remove '{state}'."
    )
    assert state.read_bytes() == before


def test_a_file_of_another_time_has_changed(days, state):
    evenly.fit(days, checkpoint=state)
    os.utime(days / "1.csv", ns=(0, 0))
    assert "1.csv', then 4 bytes of 2026" in refused(evenly.SourceError, days, checkpoint=state)


def test_a_file_that_was_begun_and_has_changed_is_an_error(days, state, monkeypatch):
    day(days / "3.csv", 90)
    save_everywhere(monkeypatch)
    monkeypatch.setattr(CheckpointStore, "save", raising(Died, CheckpointStore.save, 4))
    with pytest.raises(Died):
        evenly.fit(days, checkpoint=state)
    assert 0 < ledger(state)["days/3.csv"] < 90
    monkeypatch.undo()
    day(days / "3.csv", 91)
    assert "3.csv" in refused(evenly.SourceError, days, checkpoint=state)


def test_a_vanished_file_is_an_error_that_says_what_to_do(days, state):
    evenly.fit(days, checkpoint=state)
    (days / "2.csv").unlink()
    assert refused(evenly.SourceError, days, checkpoint=state) == (
        f"All files that '{state}' includes must be among the sources. Missing: "
        f"'{days}/2.csv' (6 bytes of 2026-01-01 00:00:00.000000002 UTC), which is gone. Restore "
        f"them; or, if the sources are only the new files, pass update='{state}'; or start again "
        f"without them: remove '{state}'."
    )


def test_a_file_left_out_of_the_sources_is_said_to_be_there(days, state):
    evenly.fit(days, checkpoint=state)
    message = refused(evenly.SourceError, days / "1.csv", checkpoint=state)
    assert "which is not among the sources" in message


def test_many_vanished_files_are_counted(days, state):
    for number in range(3, 8):
        day(days / f"{number}.csv", number)
    evenly.fit(days, checkpoint=state)
    message = refused(evenly.SourceError, days / "1.csv", checkpoint=state)
    assert "and 3 more. Restore" in message


def test_an_update_needs_only_what_is_new(days, state):
    whole = evenly.fit(days)
    evenly.fit(days / "1.csv", update=state)
    (days / "1.csv").unlink()
    assert evenly.fit(days / "2.csv", update=state) == whole
    assert evenly.fit(days / "2.csv", update=state) == whole


def test_an_update_ends_what_was_begun(days, state, monkeypatch):
    day(days / "0.csv", 90)
    whole = evenly.fit(days)
    save_everywhere(monkeypatch)
    monkeypatch.setattr(CheckpointStore, "save", raising(Died, CheckpointStore.save, 2))
    with pytest.raises(Died):
        evenly.fit(days / "0.csv", update=state)
    monkeypatch.undo()
    assert evenly.fit([days / "1.csv", days / "2.csv"], update=state) == whole


def test_an_update_refuses_a_file_that_was_renamed(days, state):
    evenly.fit(days, update=state)
    renamed = (days / "2.csv").rename(days / "3.csv")
    message = refused(evenly.SourceError, days, update=state)
    assert f"'{renamed}', which has the content, the size and the modification time of" in message
    assert f"'{days}/2.csv', which '{state}' includes and which is no longer there" in message
    status = renamed.stat()
    os.utime(renamed, ns=(status.st_atime_ns, status.st_mtime_ns + 1))  # as the message advises
    assert evenly.fit(days, update=state).rows == 5


def test_an_update_takes_another_file_of_the_size_and_time_of_one_that_vanished(days, state):
    evenly.fit(days, update=state)
    status = (days / "2.csv").stat()
    text = (days / "2.csv").read_text()
    (days / "2.csv").unlink()
    (days / "3.csv").write_text(text.replace("2", "7"))
    os.utime(days / "3.csv", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (days / "3.csv").read_text() != text
    assert evenly.fit(days, update=state).rows == 5


def test_an_update_takes_a_copy_beside_the_included_file(days, state):
    """Both files are there, so the copy is one more file."""
    evenly.fit(days, update=state)
    shutil.copy2(days / "2.csv", days / "3.csv")
    assert evenly.fit(days, update=state).rows == 5


def test_an_update_refuses_a_file_that_was_moved(days, state):
    evenly.fit(days, update=state)
    (days / "old").mkdir()
    (days / "2.csv").rename(days / "old" / "2.csv")
    message = refused(evenly.SourceError, days / "old" / "2.csv", update=state)
    assert message.startswith("A file must not be read twice. Received: ")
    assert f"modification time of '{days}/2.csv'" in message


def test_an_update_takes_a_file_that_looks_like_one_that_is_there(days, state):
    """Files of one shape made at the same time are alike; only a vanished one was moved."""
    evenly.fit(days, update=state)
    (days / "more").mkdir()
    day(days / "more" / "2.csv", 2)
    assert evenly.fit(days / "more", update=state).rows == 5


def test_a_file_is_named_once(days, state):
    (days / "link.csv").symlink_to(days / "1.csv")
    message = refused(evenly.SourceError, [days / "1.csv", days / "link.csv"], checkpoint=state)
    assert message == (
        f"With a checkpoint every file is read once. Received twice: '{days}/1.csv', also as "
        f"'{days}/link.csv'. Pass it once."
    )


def test_a_finished_fit_reads_and_writes_nothing(days, state):
    whole = evenly.fit(days, checkpoint=state)
    before = state.stat().st_mtime_ns
    assert evenly.fit(days, checkpoint=state, progress=pytest.fail) == whole
    assert state.stat().st_mtime_ns == before


def test_finished_arrays_read_nothing_either(tmp_path, state):
    np.save(tmp_path / "x.npy", np.arange(6.0).reshape(3, 2))
    whole = evenly.fit(tmp_path / "x.npy", checkpoint=state)
    assert evenly.fit(tmp_path / "x.npy", checkpoint=state) == whole


# Names


def test_names_do_not_depend_on_where_the_command_is_run(days, state, monkeypatch):
    monkeypatch.chdir(days)
    whole = evenly.fit(["1.csv", "2.csv"], checkpoint="../state.json")
    monkeypatch.chdir(days.parent)
    assert evenly.fit("days", checkpoint=state, progress=pytest.fail) == whole


def test_a_checkpoint_and_its_files_move_together(days, state, tmp_path):
    whole = evenly.fit(days, checkpoint=state)
    (tmp_path / "new").mkdir()
    days.rename(tmp_path / "new" / "days")
    state.rename(tmp_path / "new" / "state.json")
    moved = evenly.fit(
        tmp_path / "new" / "days", checkpoint=tmp_path / "new" / "state.json", progress=pytest.fail
    )
    assert moved == whole


def test_files_beside_the_folder_have_their_absolute_names(days, tmp_path):
    names = PathMapper(days / "state.json")
    assert names.to_stored(str(tmp_path / "x.csv")) == str(tmp_path / "x.csv")
    assert names.to_stored(str(days / "1.csv")) == "1.csv"
    assert names.path("1.csv") == str(days / "1.csv")


# Options, sources, files that are no checkpoints


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"columns": "x"}, "columns=['x']; '{}' was started with no columns=."),
        ({"exclude": ["y"]}, "exclude=['y']; '{}' was started with no exclude=."),
        ({"feature_axis": 1}, "feature_axis=1; '{}' was started with feature_axis=-1."),
        ({"weights": "w"}, "weights='w'; '{}' was started with no weights=."),
        ({"select": ("a", 0)}, "select=['a', 0]; '{}' was started with no select=."),
    ],
)
def test_other_options_are_refused(options, said, days, state):
    evenly.fit(days, checkpoint=state)
    assert refused(evenly.DataError, days, checkpoint=state, **options) == (
        "A fit must be resumed with the options that it was started with. Received: "
        f"{said.format(state)} Pass the same options, or start again with another checkpoint."
    )


def test_infinity_may_become_missing_and_not_an_error_again(days, state):
    """What the error for an infinity advises can be done in the middle of a fit."""
    (days / "3.csv").write_text("x\n1\ninf\n")
    refused(evenly.DataError, days, checkpoint=state)
    whole = evenly.fit(days, infinite="missing")
    assert evenly.fit(days, checkpoint=state, infinite="missing") == whole
    message = refused(evenly.DataError, days, checkpoint=state, infinite="error")
    assert f"infinite='error'; '{state}' was started with infinite='missing'." in message


def test_the_same_options_in_other_words_are_the_same(days, state):
    whole = evenly.fit(days, checkpoint=state, columns="x")
    assert evenly.fit(days, checkpoint=state, columns=["x"]) == whole


@pytest.mark.parametrize("rule", ["checkpoint", "update"])
@pytest.mark.parametrize(
    "source", [np.ones(3), [[1.0]], iter([np.ones(3)]), pd.DataFrame({"x": [1.0]}), []]
)
def test_what_is_no_file_is_an_error_that_says_what_to_do(rule, source, state):
    message = refused(evenly.UnsupportedTypeError, source, **{rule: state})
    assert message.startswith(f"{rule}= records files: a source must be a path")
    assert message.endswith("evenly.fit(part).save(path); evenly.merge(map(evenly.load, paths)).")
    assert not state.exists()


def test_weights_of_no_file_are_refused(days, state):
    message = refused(evenly.UnsupportedTypeError, days, checkpoint=state, weights=np.ones(3))
    assert message.startswith("With checkpoint=, weights must be the name of a column.")


def test_one_account_is_kept(days, state):
    message = refused(evenly.DataError, days, checkpoint=state, update="other.json")
    assert f"checkpoint='{state}' and update='other.json'" in message


def test_statistics_without_files_are_no_checkpoint(days, state):
    evenly.fit(days).save(state)
    before = state.read_bytes()
    message = refused(evenly.SourceError, days, checkpoint=state)
    assert message.startswith("A checkpoint must record which files are included. Received: ")
    assert state.read_bytes() == before


def test_merged_checkpoints_are_sums_and_no_checkpoint(days, tmp_path, state):
    """The files belong to the checkpoint, not to the moments."""
    evenly.fit(days / "1.csv", checkpoint=tmp_path / "a.json")
    evenly.fit(days / "2.csv", checkpoint=tmp_path / "b.json")
    both = evenly.load(tmp_path / "a.json") + evenly.load(tmp_path / "b.json")
    assert both == evenly.fit(days)
    both.save(state)
    assert "files" not in json.loads(state.read_text())


@pytest.mark.parametrize("content", [b"", b"{}", b"no JSON", b"\xff"])
def test_an_unreadable_checkpoint_is_an_error_and_stays(content, days, state):
    state.write_bytes(content)
    assert str(state) in refused(evenly.StatisticsFileError, days, checkpoint=state)
    assert state.read_bytes() == content


def test_a_checkpoint_that_claims_too_many_rows_is_refused(days, state):
    evenly.fit(days, checkpoint=state)
    text = state.read_text().replace('"complete": true, ', '"complete": false, ')
    text = text.replace('"path": "days/2.csv", "rows": 2', '"path": "days/2.csv", "rows": 3')
    state.write_text(text.replace('"rows": 3,\n"sources"', '"rows": 4,\n"sources"'))
    message = refused(evenly.SourceError, days, checkpoint=state)
    assert "2.csv', with 2 rows, of which the checkpoint has read 3." in message


def test_checkpoint_whose_groups_are_not_those_of_its_options_is_refused(tmp_path, state):
    path = tmp_path / "x.csv"
    path.write_text("k,x\na,1\nb,2\n")
    evenly.fit(path, by="k", update=state)
    state.write_text(state.read_text().replace('"by": "k", "columns"', '"by": null, "columns"'))
    assert refused(evenly.SourceError, path, update=state) == (
        "The moments and the options of a checkpoint must have the same key columns. Received: "
        f"'{state}', with moments by 'k' and options with by=None. The file was edited: restore "
        "it, or start another checkpoint."
    )


def test_a_checkpoint_in_no_folder_is_known_before_anything_is_read(days, tmp_path):
    path = tmp_path / "absent" / "state.json"
    message = refused(evenly.SourceError, days, checkpoint=path, progress=pytest.fail)
    assert message.startswith("A checkpoint must be in a writable folder. Received: ")


def test_a_checkpoint_far_away_is_refused(days):
    message = refused(evenly.SourceError, days, checkpoint="s3://bucket/state.json")
    assert message.startswith("A checkpoint must be a local file, which can be replaced and ")


def test_no_rows_yet_are_an_error_and_a_checkpoint(tmp_path, state):
    (tmp_path / "1.csv").write_text("x\n")
    assert "one row is needed" in refused(evenly.DataError, tmp_path / "1.csv", update=state)
    (tmp_path / "2.csv").write_text("x\n7\n")
    assert evenly.fit(tmp_path / "2.csv", update=state).mean == 7.0


def test_a_refused_file_costs_nothing_of_those_before(days, state):
    (days / "3.csv").write_text("x\ninf\n")
    assert "infinity" in refused(evenly.DataError, days, checkpoint=state)
    assert ledger(state)["days/2.csv"] == 2
    day(days / "3.csv", 3)
    assert evenly.fit(days, checkpoint=state).rows == 6


@pytest.mark.parametrize("change", ["a chunk", "a new chunk", "one less"])
def test_a_zarr_folder_that_has_changed_is_noticed(change, tmp_path, state):
    array = zarr.create_array(tmp_path / "a.zarr", shape=(6, 2), chunks=(2, 2), dtype="f8")
    array[:4] = 1.0
    before = evenly.fit(tmp_path / "a.zarr", checkpoint=state)
    assert evenly.fit(tmp_path / "a.zarr", checkpoint=state) == before
    chunks = sorted(path for path in (tmp_path / "a.zarr" / "c").rglob("*") if path.is_file())
    if change == "a chunk":
        array[0] = 2.0
    elif change == "a new chunk":
        array[5] = 2.0
    else:
        chunks[-1].unlink()
    assert "must not change" in refused(evenly.SourceError, tmp_path / "a.zarr", checkpoint=state)


def test_what_has_no_size_and_no_time_is_refused(tmp_path):
    """Its rows could change, and nobody would notice."""
    zarr.create_array("memory://x.zarr", shape=(2,), dtype="f8")
    for source in ("duckdb:///x.db?table=t", "memory://x.zarr"):
        with pytest.raises(evenly.UnsupportedTypeError, match="which has neither"):
            evenly.fit(source, checkpoint=tmp_path / "state.json")


def test_keys_that_are_in_no_file_are_refused(tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n")
    with pytest.raises(evenly.UnsupportedTypeError, match="by must be the name of a column"):
        evenly.fit(tmp_path / "x.csv", checkpoint=tmp_path / "state.json", by=[1])
