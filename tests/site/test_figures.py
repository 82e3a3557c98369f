"""The numbers and shapes of the article's figures are those of PyTorch and evenly."""

import itertools
import json
import math
import shutil
import subprocess

import numpy as np
import pytest

import evenly
from site_build import DOCS, site_module

pytest.importorskip("torch")
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node")

SCRIPT = DOCS / "article" / "figures.mjs"
GRID = {
    "columns": {"rows": [2, 3, 17, 100], "constant": [False, True], "nan": [False, True]},
    "rows": {"rows": [1, 2, 3, 4, 10, 31, 64, 99, 100]},
    "offset": {"exponent": [0, 0.5, 1, 2.25, 3, 4.5, 5.25, 6, 6.75, 7]},
    "constant": {"exponent": [index / 4 for index in range(29)]},
    "eps": {"std": [-4, -2.5, -1, 0, 0.25, 1], "eps": [-8, -5, -3, -1]},
    "running": {"momentum": [0.01, 0.1, 0.37, 1], "nan": [0, 1, 20, 40]},
}
"""The positions of the sliders."""
CASES = [
    (name, dict(zip(sliders, values, strict=True)))
    for name, sliders in GRID.items()
    for values in itertools.product(*sliders.values())
]
PRELUDE = f"import * as figures from {json.dumps(SCRIPT.as_uri())};\n"
PLAIN = (
    "JSON.stringify({}, (_, x) => (typeof x === 'number' && !Number.isFinite(x) ? String(x) : x))"
)


def run_node(expression):
    """Return the value of a JavaScript expression about the module."""
    code = PRELUDE + f"console.log({PLAIN.format(f'({expression})')});"
    command = [NODE, "--input-type=module", "--eval", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def to_float(value):
    """Return a number, also if JSON has no name for it."""
    return float("inf" if value == "Infinity" else "nan" if value is None else value)


@pytest.fixture(scope="module")
def in_javascript():
    cases = json.dumps(CASES)
    return run_node(f"{cases}.map(([name, values]) => figures.models[name](values))")


@pytest.fixture(scope="module")
def in_python():
    models = site_module("figure_models").MODELS
    return [models[name](**values) for name, values in CASES]


def numbers_of(model, path=()):
    """Yield each number of a model with the names that lead to it."""
    if isinstance(model, dict):
        for name, part in model.items():
            yield from numbers_of(part, (*path, name))
    elif isinstance(model, list | np.ndarray):
        for part in model:
            yield from numbers_of(part, path)
    else:
        yield path, to_float(model)


def tolerance(name, values, key):
    """Return how far PyTorch's result may be from ours: one rounding of a fused operation."""
    if name == "offset" and key in {"torch", "error"}:
        return 1e-6 + 2 * 10 ** values["exponent"] * 2**-23
    if name == "constant" and key == "torch":
        return 1e-6 + 10 ** values["exponent"] * 320 * 2**-23
    return 2e-6 if name != "columns" else 1e-5


@pytest.mark.parametrize("index", range(len(CASES)), ids=[f"{n}-{v}" for n, v in CASES])
def test_every_number_is_pytorchs_or_evenlys(index, in_javascript, in_python):
    name, values = CASES[index]
    ours = dict(in_python[index])
    ours.pop("eps", None)
    found, expected = list(numbers_of(in_javascript[index])), list(numbers_of(ours))
    assert found
    assert [path for path, _ in found] == [path for path, _ in expected]
    for (path, number), (_, right) in zip(found, expected, strict=True):
        allowed = tolerance(name, values, path[-1])
        assert number == pytest.approx(right, rel=1e-6, abs=allowed, nan_ok=True), path


@pytest.mark.parametrize("offset", [0, 1, 1000, 1_000_003, 1_700_000_000])
def test_exact_moments_are_evenlys_bits(offset):
    x = (offset + np.array(site_module("figure_models").sample(100, 7))).astype(np.float32)
    moments = evenly.fit(x)
    found = run_node(f"figures.exactMoments({x.tolist()})")
    assert found == {
        "count": 100, "mean": moments.mean[0], "variance": moments.variance()[0]
    }  # fmt: skip


def test_exact_moments_skip_nan_and_know_constants():
    found = run_node("figures.exactMoments([0.1, NaN, 0.1, 0.1].map(Math.fround))")
    assert found == {"count": 3, "mean": float(np.float32(0.1)), "variance": 0}


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("name", GRID)
def test_drawing_without_javascript_is_the_first_drawing_with_it(name, language):
    live, shapes = site_module("live_figures"), site_module("figure_shapes")
    text, values = live.TEXTS[language][name], live.START[name]
    model = shapes.MODELS[name](**values)
    arguments = ", ".join(json.dumps(part) for part in (name, values, text))
    found = run_node(f"figures.figure({arguments})")
    drawn = shapes.DRAWINGS[name](model, text)
    assert [[s["tag"], s["attributes"], s["text"]] for s in found["shapes"]] == [
        list(shape) for shape in drawn
    ]
    assert dict(found["numbers"]) == live.numbers(name, model)


def test_first_values_of_the_sliders_are_the_same():
    shown = run_node(
        "Object.fromEntries(Object.entries(figures.controls).map(([name, list]) => "
        "[name, Object.fromEntries(list.map(({ name, value }) => [name, value]))]))"
    )
    assert shown == site_module("live_figures").START


def test_both_languages_have_the_same_texts():
    def keys(text):
        return {name: keys(part) if isinstance(part, dict) else "" for name, part in text.items()}

    texts = site_module("live_figures").TEXTS
    assert keys(texts["en"]) == keys(texts["ja"])


def test_float32_loses_digits_at_an_offset_and_evenly_does_not():
    error = run_node("figures.models.offset({ exponent: 6 }).error")
    exact = run_node("figures.models.offset({ exponent: 6 }).right")
    assert error > 0.2
    assert math.isclose(np.var(exact), 1, rel_tol=1e-4)
