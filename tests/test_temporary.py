"""Temporary files: those of killed writers are removed, all others are let alone."""

import os
import subprocess
import sys

import numpy as np
import pytest

import evenly
from evenly.system.atomic import atomic_file

MOMENTS = evenly.fit(np.array([[1.0], [3.0]]))


def left(folder):
    return sorted(path for path in folder.iterdir() if path.name.startswith(".evenly-"))


def killed_while_writing(path):
    code = (
        "import os, sys; from evenly.system.atomic import atomic_file\n"
        "with atomic_file(sys.argv[1]) as file: os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)


@pytest.mark.parametrize("name", ["s.json", 250 * "x", 127 * "\u00e9"])
def test_what_a_killed_writer_left_is_removed_by_the_next(name, tmp_path):
    path = tmp_path / name
    killed_while_writing(path)
    assert len(left(tmp_path)) == 1
    MOMENTS.save(path)
    assert list(tmp_path.iterdir()) == [path]


def test_apply_removes_what_a_killed_one_left(tmp_path):
    source, output = tmp_path / "x.npy", tmp_path / "y.npy"
    np.save(source, [[1.0], [3.0]])
    MOMENTS.save(tmp_path / "s.json")
    killed_while_writing(output)
    command = [sys.executable, "-m", "evenly", "apply", "s.json", "x.npy", "-o", "y.npy"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert left(tmp_path) == []


def test_a_file_that_is_being_written_stays(tmp_path):
    path = tmp_path / "s.json"
    with atomic_file(path) as one, atomic_file(path) as other:
        assert len(left(tmp_path)) == 2
        one.write(b"one")
        other.write(b"other")
    assert path.read_bytes() == b"one"
    assert left(tmp_path) == []


def test_more_writers_than_there_are_names_write(tmp_path):
    path = tmp_path / "s.json"
    for number in range(8):
        with atomic_file(path) as file:
            name = left(tmp_path)[0].name.replace("-0.tmp", f"-{number}.tmp")
            file.write(b"x")
        (tmp_path / name).mkdir()  # taken, and nothing of ours
    MOMENTS.save(path)
    assert evenly.load(path) == MOMENTS
    assert len(left(tmp_path)) == 8


def test_links_under_the_names_are_not_followed_and_not_removed(tmp_path):
    path, other = tmp_path / "s.json", tmp_path / "other.txt"
    with atomic_file(path) as file:
        (temporary,) = left(tmp_path)
        file.write(b"x")
    other.write_text("precious")
    temporary.symlink_to(other)
    second = temporary.with_name(temporary.name.replace("-0.tmp", "-1.tmp"))
    os.link(other, second)
    MOMENTS.save(path)
    assert other.read_text() == "precious"
    assert left(tmp_path) == [temporary, second]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "s.json"
    path.write_bytes(b"old")

    def fail():
        with atomic_file(path) as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == b"old"
    assert left(tmp_path) == []
