"""Tests that tables with a log are not read file by file."""

import json

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import evenly
from evenly.cli import main


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a Parquet file, also in a partition."""
    for path in ("x/a.parquet", "x/data/year=2020/b.parquet"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"v": [1.0, 2.0]}), tmp_path / path)
    return tmp_path / "x"


LOGS = {
    "_delta_log/00000000000000000000.json": r"deltalake.DeltaTable\('{0}'\).to_pyarrow_dataset\(\)",
    ".hoodie/hoodie.properties": r"hudi.HudiTable\('{0}'\).read_snapshot\(\)",
    "metadata/v3.metadata.json": r"polars.scan_iceberg\('{0}/metadata/v3.metadata.json'\)",
    "metadata/00001-9c12d441-03fe-4693-9a96-a0705ddf69c1.gz.metadata.json": "polars.scan_iceberg",
}


def write_log(folder, log):
    (folder / log).parent.mkdir(exist_ok=True)
    (folder / log).write_text(json.dumps({"add": {"path": "a.parquet"}}))


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize(
    "source", ["x", "x/*.parquet", "x/data", "x/data/year=2020", "x/data/*/*.parquet", "x/**"]
)
def test_table_with_a_log_is_refused(tmp_path, folder, log, source):
    assert evenly.fit(tmp_path / source).rows
    write_log(folder, log)
    with pytest.raises(
        evenly.SourceError, match=r"must be read through the log.*Pass evenly\.fit\("
    ) as error:
        evenly.fit(tmp_path / source)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize(("log", "call"), LOGS.items())
def test_message_has_the_call_that_reads_the_table(folder, log, call):
    write_log(folder, log)
    with pytest.raises(evenly.SourceError, match=call.format(folder)):
        evenly.fit(folder)


def test_table_inside_of_a_folder_is_refused(tmp_path, folder):
    write_log(folder, "_delta_log/0.json")
    with pytest.raises(evenly.SourceError, match="a table of Delta Lake"):
        evenly.fit(tmp_path)


def test_apply_refuses_it_too(tmp_path, folder, capsys):
    evenly.fit(pa.table({"v": [1.0, 2.0]})).save(tmp_path / "x.json")
    write_log(folder, "_delta_log/0.json")
    command = ["apply", str(tmp_path / "x.json"), str(folder), "-o", str(tmp_path / "y.parquet")]
    assert main(command) == 1
    assert "must be read through the log" in capsys.readouterr().err


def test_files_that_are_listed_are_read(folder):
    """Whoever lists the files, with DeltaTable.file_uris() for example, has read the log."""
    write_log(folder, "_delta_log/0.json")
    assert evenly.fit([folder / "a.parquet"]).rows == 2


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize("source", ["", "/*.parquet"])
def test_remote_table_is_refused(folder, log, source):
    memory = fsspec.filesystem("memory")
    memory.pipe("/lake/x/a.parquet", (folder / "a.parquet").read_bytes())
    memory.pipe(f"/lake/x/{log}", b"{}")
    with pytest.raises(evenly.SourceError, match=r"must be read through the log.*memory://lake/x"):
        evenly.fit(f"memory://lake/x{source}")
    memory.rm("/lake", recursive=True)


@pytest.mark.parametrize("name", ["metadata/readme.json", "metadata/v1.json", "data/_delta.json"])
def test_other_folders_are_not_tables_with_a_log(folder, name):
    write_log(folder, name)
    assert evenly.fit(folder).rows == 4
