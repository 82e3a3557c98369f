"""Use an installed evenly as a user does: fit, save, load, normalize, and the command line.

Optional packages are used where they are installed. `--without-compiler` also requires that none
is on the PATH. It is a script and not a test, so that it runs where nothing else is installed.
"""

import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import evenly

COMPILERS = ("cc", "gcc", "g++", "c++", "clang", "clang++", "cl", "cmake", "ninja", "make")
ROWS = "month,delay,carrier\n1,2.5,UA\n2,,AA\n3,5.5,UA\n"


def main() -> None:
    """Run every check; an AssertionError ends the script."""
    if "--without-compiler" in sys.argv[1:]:
        found = [name for name in COMPILERS if shutil.which(name)]
        assert not found, f"There must be no compiler on the PATH. Received: {found}"
    installed = Path(sysconfig.get_path("platlib"))
    assert Path(evenly.__file__).is_relative_to(installed), evenly.__file__
    with TemporaryDirectory() as folder:
        check_arrays(Path(folder))
        check_command_line(Path(folder))
        check_csv(Path(folder))
    check_sklearn()
    parts = [name for name in ("pyarrow", "sklearn") if find_spec(name)]
    print(f"evenly {evenly.__version__} on Python {sys.version.split()[0]}: passed", *parts)


def check_arrays(folder: Path) -> None:
    """Fit, add, subtract, save, load and normalize."""
    x = np.array([[1.7e9, 20.5, 7.0], [1.7e9 + 60, 21.5, 7.0], [1.7e9 + 90, np.nan, 7.0]])
    whole, start, end = evenly.fit(x), evenly.fit(x[:2]), evenly.fit(x[2:])
    assert start + end == whole
    assert whole - end == start
    assert whole.mean.tolist() == [1.7e9 + 50, 21.0, 7.0]
    assert whole.missing.tolist() == [0, 1, 0]
    whole.save(folder / "whole.json")
    loaded = evenly.load(folder / "whole.json")
    assert loaded == whole
    y = loaded.normalize(x)
    assert np.isnan(y[2, 1])
    assert (y[:, 2] == 0).all()
    assert abs(evenly.fit(y).mean).max() < 1e-15
    assert loaded.denormalize(y)[:, 2].tolist() == [7.0] * 3


def check_command_line(folder: Path) -> None:
    """Show a statistics file, by the program that the wheel installs."""
    assert run_evenly("--version", folder=folder).split()[-1] == version("evenly")
    assert "3 rows, 3 columns" in run_evenly("show", "whole.json", folder=folder)


def check_csv(folder: Path) -> None:
    """Fit and normalize a CSV file of the kind of the demo, with text and missing values."""
    if not find_spec("pyarrow"):
        return
    (folder / "rows.csv").write_text(ROWS, encoding="utf-8")
    output = run_evenly("fit", "rows.csv", "-o", "rows.json", folder=folder)
    assert "3 rows, 2 columns" in output
    assert "left out: text" in output
    run_evenly("apply", "rows.json", "rows.csv", "-o", "normalized.parquet", folder=folder)
    after = evenly.fit(folder / "normalized.parquet")
    assert after.missing.tolist() == [0, 1]
    assert abs(after.mean).max() < 1e-15
    assert abs(after.variance() - 1).max() < 1e-15


def check_sklearn() -> None:
    """Scale by the estimator."""
    if not find_spec("sklearn"):
        return
    from evenly.sklearn import StandardScaler

    x = np.arange(12.0).reshape(4, 3)
    scaler = StandardScaler().fit(x)
    assert scaler.mean_.tolist() == [4.5, 5.5, 6.5]
    assert np.allclose(scaler.inverse_transform(scaler.transform(x)), x)


def run_evenly(*arguments: str, folder: Path) -> str:
    """Run the installed program and return what it prints, on both streams."""
    program = shutil.which("evenly", path=sysconfig.get_path("scripts"))
    assert program, "the wheel must install the program evenly"
    done = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


if __name__ == "__main__":
    main()
