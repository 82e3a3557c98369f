"""Settings of all tests: Hypothesis profiles, the marker `slow`, the order of files and SIGINT."""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

# Tests start hundreds of Python processes, each of which would compile evenly again, and pytest
# would rewrite the assertions of the tests and of Hypothesis again. This must precede its import.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# While OpenMP's idle threads spin, those of the other test processes wait for a processor.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

settings.register_profile(
    "evenly",
    max_examples=40,
    deadline=None,  # a shared machine is slow now and then
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("fast", settings.get_profile("evenly"), max_examples=10)
settings.register_profile("thorough", settings.get_profile("evenly"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "evenly"))

collect_ignore = ["helpers", "typing/program.py", "wheels"]  # have no doctests

ROOT = Path(__file__).parent
SLOW = (
    "checkpoint/test_changes.py",
    "checkpoint/test_formats.py",
    "checkpoint/test_image_columns.py",
    "checkpoint/test_images.py",
    "checkpoint/test_kills.py",
    "checkpoint/test_resume_errors.py",
    "distribution/test_laws.py",
    "distribution/test_sources.py",
    "drift/test_two_halves.py",
    "drift/test_shape_laws.py",
    "engines",
    "fitting/test_by_key.py",
    "html_report/test_browser.py",
    "html_report/test_page.py",
    "sklearn",
    "site",
    "sources/files/test_mutations.py",
    "sources/files/test_npy.py",
    "sources/files/test_parquet_pages.py",
    "sources/images",
    "sources/sql",
    "sources/stores",
    "sources/test_datasets.py",
    "sources/test_every_source.py",
    "sources/test_grouped_array_columns.py",
    "sources/test_unpacked.py",
    "sources/test_urls.py",
    "test_apply_urls.py",
    "test_benchmarks.py",
    "test_cli.py",
    "test_cli_pages.py",
    "test_cli_pipes.py",
    "test_column_types.py",
    "test_docs.py",
    "test_docs_groups.py",
    "test_docs_sources.py",
    "test_examples.py",
    "test_frame_columns.py",
    "test_group_cli.py",
    "test_interrupted_update.py",
    "test_interruption.py",
    "test_key_index.py",
    "test_layout.py",
    "test_out_of_memory.py",
    "test_packaging.py",
    "test_pitfalls.py",
    "test_public_names.py",
    "test_readme.py",
    "test_redaction.py",
    "test_statistics_file.py",
    "test_statistics_file_structure.py",
    "test_temporary.py",
    "test_terminal.py",
    "test_threads.py",
    "test_typing.py",
    "torch",
)
"""Files and folders whose tests are marked `slow`. `-m "not slow"` does not import them."""

LONGEST = (
    "site/test_site.py",
    "test_benchmarks.py",
    "test_typing.py",
    "engines/test_spark.py",
    "engines/test_ray.py",
    "html_report/test_browser.py",
)
"""Files that run first, the longest ahead: two processes run them side by side, and neither is
left with a long one at the end."""


@cache
def is_slow(path: Path) -> bool:
    """Return whether a file or folder is listed in `SLOW`."""
    return path.is_relative_to(ROOT) and any(path.is_relative_to(ROOT / name) for name in SLOW)


def pytest_configure(config: pytest.Config) -> None:
    # A shell ignores SIGINT in the background jobs of a script, and their children inherit that.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    is_ignored = config.option.markexpr == "not slow" and is_slow(collection_path)
    return True if is_ignored else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_slow(item.path):
            item.add_marker(pytest.mark.slow)
    places = {ROOT / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))


def pytest_collection_finish() -> None:
    """Let garbage collections look only at what tests allocate, not at a million older objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def memory() -> Iterator[Any]:
    """Return the file system of ``memory://``, which is empty before and after the test."""
    filesystem = pytest.importorskip("fsspec").filesystem("memory")
    filesystem.store.clear()
    yield filesystem
    filesystem.store.clear()
