"""Files of an update that came back: the same content, or a change that the user accepts."""

import json
import os
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner

import evenly
from csv_files import day, ledger, refused
from evenly.cli import evenly as cli
from evenly.cli.errors import to_cli_options
from evenly.errors import StatisticsFileError
from image_files import encoded


def records(state):
    return {file["path"]: file for file in json.loads(state.read_text())["files"]}


def touch(path, time=5):
    os.utime(path, ns=(time, time))


def test_update_records_a_digest_and_checkpoint_does_not(days, state, tmp_path):
    evenly.fit(days, update=state)
    evenly.fit(days, checkpoint=tmp_path / "other.json")
    assert all(file["digest"].startswith("sha256:") for file in records(state).values())
    assert all("digest" not in file for file in records(tmp_path / "other.json").values())


def test_file_with_the_same_content_and_another_time_is_already_included(days, state):
    first = evenly.fit(days, update=state)
    touch(days / "1.csv")
    assert evenly.fit(days, update=state) == first
    assert records(state)["days/1.csv"]["modified"] == 5
    day(days / "3.csv", 3)
    touch(days / "2.csv")
    assert evenly.fit(days, update=state) == evenly.fit(days)
    assert ledger(state) == {"days/1.csv": 1, "days/2.csv": 2, "days/3.csv": 3}


@pytest.mark.parametrize("same_size", [False, True])
def test_changed_content_is_an_error_that_names_accept_changed(same_size, days, state):
    evenly.fit(days, update=state)
    before = state.read_bytes()
    content = (days / "1.csv").read_bytes()
    (days / "1.csv").write_bytes(content[:-2] + b"7\n" if same_size else content + b"7\n")
    touch(days / "1.csv")
    message = refused(evenly.SourceError, days, update=state)
    assert "as they are, if it was read completely: accept_changed=True" in message
    assert state.read_bytes() == before


@pytest.mark.parametrize("rule", ["checkpoint", "update"])
def test_accept_changed_keeps_the_rows_and_records_the_new_version(rule, days, state):
    first = evenly.fit(days, **{rule: state})
    day(days / "2.csv", 4)
    assert evenly.fit(days, **{rule: state}, accept_changed=True) == first
    assert records(state)["days/2.csv"]["bytes"] == (days / "2.csv").stat().st_size
    assert ledger(state) == {"days/1.csv": 1, "days/2.csv": 2}
    touch(days / "2.csv")  # its digest is known from now on
    assert evenly.fit(days, **{rule: state}) == first


def test_accept_changed_does_not_accept_a_partly_read_file(days, state):
    evenly.fit(days, update=state)
    document = json.loads(state.read_text())
    document["files"][1] |= {"complete": False, "digest": None}
    state.write_text(json.dumps(document))
    day(days / "2.csv", 4)
    assert "2.csv" in refused(evenly.SourceError, days, update=state, accept_changed=True)


def test_accept_changed_needs_a_checkpoint(days):
    message = refused(evenly.DataError, days, accept_changed=True)
    assert message.startswith("accept_changed= needs the record of a checkpoint.")
    result = CliRunner().invoke(cli, ["fit", str(days), "--accept-changed"])
    assert result.exit_code == 2
    assert "--accept-changed needs --checkpoint or --update" in result.output


def test_command_line_says_which_changed_files_are_accepted(days, state):
    command = ["fit", str(days), "--update", str(state)]
    assert CliRunner().invoke(cli, command).exit_code == 0
    day(days / "2.csv", 4)
    with pytest.raises(evenly.SourceError) as refusal:
        CliRunner().invoke(cli, command, catch_exceptions=False)
    assert "completely: --accept-changed; or" in to_cli_options(str(refusal.value))
    accepted = CliRunner().invoke(cli, [*command, "--accept-changed"])
    assert accepted.exit_code == 0, accepted.output
    assert accepted.output.splitlines()[-1] == (
        f"resumed from {state}: 2 files already included; changed since then, with the included "
        f"rows kept: {days / '2.csv'}"
    )


def test_images_and_archives_of_images_are_recognized_by_their_content(tmp_path, state):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.png").write_bytes(encoded(np.full((4, 4, 3), 9, np.uint8), "png"))
    with zipfile.ZipFile(folder / "b.zip", "w") as archive:
        archive.writestr("c.png", (folder / "a.png").read_bytes())
    first = evenly.fit(folder, update=state)
    for path in folder.iterdir():
        touch(path)
    assert evenly.fit(folder, update=state) == first
    assert first.rows == 32
    (folder / "a.png").write_bytes(encoded(np.full((4, 4, 3), 8, np.uint8), "png"))
    refused(evenly.SourceError, folder, update=state)
    assert evenly.fit(folder, update=state, accept_changed=True) == first


@pytest.mark.parametrize("digest", ["md5:00", "sha256:" + "G" * 64, 5])
def test_invalid_digest_is_refused(digest, days, state):
    evenly.fit(days, update=state)
    document = json.loads(state.read_text())
    document["files"][0]["digest"] = digest
    state.write_text(json.dumps(document))
    with pytest.raises(StatisticsFileError, match="'digest' must be"):
        evenly.load(state)
