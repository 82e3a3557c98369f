"""Temporary files of killed writers are removed; all others are kept."""

import os
import subprocess
import sys

import numpy as np
import pytest

import evenly
from evenly.system.atomic import atomic_file

MOMENTS = evenly.fit(np.array([[1.0], [3.0]]))


def temporary_files(folder):
    return sorted(path for path in folder.iterdir() if path.name.startswith(".evenly-"))


def killed_while_writing(path):
    code = (
        "import os, sys; from evenly.system.atomic import atomic_file\n"
        "with atomic_file(sys.argv[1]) as file: os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)


@pytest.mark.parametrize("name", ["s.json", 250 * "x", 127 * "\u00e9"])
def test_next_writer_removes_file_of_killed_writer(name, tmp_path):
    path = tmp_path / name
    killed_while_writing(path)
    assert len(temporary_files(tmp_path)) == 1
    MOMENTS.save(path)
    assert list(tmp_path.iterdir()) == [path]


def test_apply_removes_file_of_killed_apply(tmp_path):
    source, output = tmp_path / "x.npy", tmp_path / "y.npy"
    np.save(source, [[1.0], [3.0]])
    MOMENTS.save(tmp_path / "s.json")
    killed_while_writing(output)
    command = [sys.executable, "-m", "evenly", "apply", "s.json", "x.npy", "-o", "y.npy"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert temporary_files(tmp_path) == []


def test_file_being_written_is_kept(tmp_path):
    path = tmp_path / "s.json"
    with atomic_file(path) as one, atomic_file(path) as other:
        assert len(temporary_files(tmp_path)) == 2
        one.write(b"one")
        other.write(b"other")
    assert path.read_bytes() == b"one"
    assert temporary_files(tmp_path) == []


def test_more_writers_than_names(tmp_path):
    path = tmp_path / "s.json"
    for number in range(8):
        with atomic_file(path) as file:
            name = temporary_files(tmp_path)[0].name.replace("-0.tmp", f"-{number}.tmp")
            file.write(b"x")
        (tmp_path / name).mkdir()  # a path of this name that is not a temporary file
    MOMENTS.save(path)
    assert evenly.load(path) == MOMENTS
    assert len(temporary_files(tmp_path)) == 8


def test_links_are_not_followed_or_removed(tmp_path):
    path, other = tmp_path / "s.json", tmp_path / "other.txt"
    with atomic_file(path) as file:
        (temporary,) = temporary_files(tmp_path)
        file.write(b"x")
    other.write_text("precious")
    temporary.symlink_to(other)
    second = temporary.with_name(temporary.name.replace("-0.tmp", "-1.tmp"))
    os.link(other, second)
    MOMENTS.save(path)
    assert other.read_text() == "precious"
    assert temporary_files(tmp_path) == [temporary, second]


def test_failed_write_keeps_only_old_file(tmp_path):
    path = tmp_path / "s.json"
    path.write_bytes(b"old")

    def fail():
        with atomic_file(path) as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == b"old"
    assert temporary_files(tmp_path) == []
