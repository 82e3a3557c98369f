"""CSV files of one day each, the rows that a manifest lists for them, and error messages."""

import json
import os

import pytest

import evenly


def day(path, rows):
    path.write_text("x\n" + "".join(f"{rows + i}\n" for i in range(rows)))
    os.utime(path, ns=(0, 1_767_225_600_000_000_000 + rows))
    return path


def ledger(state):
    return {file["path"]: file["rows"] for file in json.loads(state.read_text())["files"]}


def refused(error, source, **options):
    with pytest.raises(error) as caught:
        evenly.fit(source, **options)
    return str(caught.value)
