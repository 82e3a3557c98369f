"""The metadata, the license texts and the workflows of a release."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

import evenly

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LINK = re.compile(r"\]\((?!https?://)[^)]*\)")


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_version_is_defined_in_pyproject_only():
    version = PROJECT["project"]["version"]
    assert evenly.__version__ == version
    assert "\nversion" not in text("CITATION.cff")
    assert "VERSION" not in re.search(r"project\(evenly[^)]*\)", text("CMakeLists.txt"))[0]
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert f'"{version}"' not in source


def test_license_texts_are_those_of_the_libraries_that_are_compiled_in():
    nanobind = distribution("nanobind")
    license_file = nanobind.locate_file(f"nanobind-{nanobind.version}.dist-info/licenses/LICENSE")
    assert text("licenses/nanobind.txt") == license_file.read_text(encoding="utf-8")
    folder = Path(nanobind.locate_file("nanobind/ext/robin_map/include/tsl"))
    comment = (folder / "robin_map.h").read_text(encoding="utf-8").partition("*/")[0]
    lines = [line.strip(" /*") for line in comment.splitlines()]
    assert "\n".join(lines).strip() == text("licenses/robin-map.txt").strip()


def test_license_files_are_in_the_metadata():
    (pattern,) = (name for name in PROJECT["project"]["license-files"] if "*" in name)
    assert [path.stem for path in sorted(ROOT.glob(pattern))] == [
        "DataTables",
        "nanobind",
        "robin-map",
    ]


def test_package_index_shows_the_readme_without_links_to_files():
    hook = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    assert [fragment["path"] for fragment in hook["fragments"]] == ["README.md"]
    shown = readme = text("README.md")
    for rule in hook["substitutions"]:
        shown = re.sub(rule["pattern"], rule["replacement"], shown)
    assert LINK.search(readme)
    assert not LINK.search(shown)
    assert "![" not in shown
    assert re.findall(r"^#.*", shown, re.MULTILINE) == re.findall(r"^#.*", readme, re.MULTILINE)


def test_workflows_match_their_schema():
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    command += ["vendor.github-workflows", *map(str, WORKFLOWS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_only_call_make_and_the_ci_script(workflow):
    targets = re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE)
    for command in re.findall(r"^ *- run: (.+)", workflow.read_text("utf-8"), re.MULTILINE):
        program, *arguments = command.split()
        assert program == ".ci/run" or (program == "make" and arguments[0] in targets), command


def test_a_release_is_refused_for_a_tag_that_is_not_the_version():
    command = ["make", "--silent", "release-check", "TAG=v0.0.0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
