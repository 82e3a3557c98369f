"""Tests that an option is never ignored silently: each one is for some kinds of sources."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from PIL import Image

import evenly
from evenly import EvenlyError
from evenly.apply import apply
from evenly.cli import main

FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]})
IMAGES = [Image.new("RGB", (2, 3), color) for color in ("red", "green")]
OPTIONS: dict[str, dict[str, Any]] = {
    "mode": {"mode": "L"},
    "broken": {"broken": "error"},
    "feature_axis": {"feature_axis": 0},
    "csv": {"csv": {"missing": ["?"]}},
    "storage_options": {"storage_options": {"anon": True}},
    "select": {"select": "part"},
    "by": {"by": "a"},
    "weights": {"weights": "a"},
}
ARRAY = {"feature_axis"}
TABLE = {"by", "weights"}
USED = {
    "array": ARRAY,
    "list": ARRAY,
    "frame": TABLE,
    "arrow": TABLE,
    "structured array": TABLE,
    "sparse": set(),
    "images": {"mode", "broken"},
    "batches": {*ARRAY, "select"},
    "csv file": {*TABLE, "csv"},
    "parquet file": TABLE,
    "npy file": ARRAY,
    "npz file": {*ARRAY, "select"},
    "image folder": {"mode", "broken"},
    "sqlite file": TABLE,
}
"""The options that each kind of source uses."""


def make(kind: str, folder: Path) -> Any:
    rows = FRAME.to_numpy()
    if kind == "array":
        return rows
    if kind == "list":
        return rows.tolist()
    if kind == "frame":
        return FRAME
    if kind == "arrow":
        return pa.Table.from_pandas(FRAME)
    if kind == "structured array":
        return FRAME.to_records(index=False)
    if kind == "sparse":
        return scipy.sparse.csr_array(rows)
    if kind == "images":
        return IMAGES
    if kind == "batches":
        return [{"part": rows, "other": rows}]
    path = folder / kind.replace(" ", "")
    if kind == "csv file":
        FRAME.to_csv(path := path.with_suffix(".csv"), index=False)
    elif kind == "parquet file":
        FRAME.to_parquet(path)
    elif kind == "npy file":
        np.save(path := path.with_suffix(".npy"), rows)
    elif kind == "npz file":
        np.savez(path := path.with_suffix(".npz"), part=rows, other=rows)
    elif kind == "image folder":
        path.mkdir()
        for number, image in enumerate(IMAGES):
            image.save(path / f"{number}.png")
    elif kind == "sqlite file":
        with sqlite3.connect(path := path.with_suffix(".db")) as database:
            FRAME.to_sql("t", database, index=False)
        return f"sqlite:///{path}?table=t"
    return str(path)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", USED)
def test_option_is_used_or_refused(kind: str, option: str, tmp_path: Path) -> None:
    required = {"select": "part"} if kind in ("batches", "npz file") else {}
    source = make(kind, tmp_path)
    if option in USED[kind]:
        evenly.fit(source, **required | OPTIONS[option])
        return
    with pytest.raises(EvenlyError):
        evenly.fit(source, **required | OPTIONS[option])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mode", "L"], "--mode L is for images. Received: "),
        (["--strict"], "--strict is for images. Received: "),
        (["--decimal", ","], "--decimal , is for CSV files. Received: "),
        (["--no-header"], "--no-header is for CSV files. Received: "),
        (["--select", "part"], "Received: --select part for "),
    ],
)
def test_command_names_the_option_that_does_not_apply(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", make("npy file", tmp_path), *options]) == 1
    assert message in capsys.readouterr().err


def test_parts_by_key_without_images_ignore_options_of_images() -> None:
    batch = {"image": IMAGES, "state": FRAME.to_numpy()}
    moments = evenly.fit([batch], select={"image": "image", "state": "state"}, mode="L")
    assert moments["image"].num_features == 1
    assert moments["state"] == evenly.fit(FRAME.to_numpy())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unknown": "missing"}, "unknown= is for the statistics of groups"),
        ({"inverse": True, "missing": "zero"}, "missing= is for normalizing"),
    ],
)
def test_apply_names_the_option_that_does_not_apply(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(EvenlyError, match=message):
        apply(evenly.fit(FRAME), make("csv file", tmp_path), str(tmp_path / "y.csv"), **options)
    assert not (tmp_path / "y.csv").exists()


def test_apply_command_names_the_option_of_groups(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evenly.fit(FRAME).save(tmp_path / "m.json")
    output = str(tmp_path / "y.csv")
    source = make("csv file", tmp_path)
    command = ["apply", str(tmp_path / "m.json"), source, "-o", output, "--unknown", "total"]
    assert main(command) == 1
    assert "--unknown total, and statistics without groups. Omit it" in capsys.readouterr().err
