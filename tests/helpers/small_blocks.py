"""Read sources in small blocks, so that little data has many."""

from dataclasses import replace

from evenly.sources import block_sizes


def use_block_sizes(monkeypatch, **sizes):
    """Replace some block sizes until the end of the test."""
    monkeypatch.setattr(block_sizes, "current", replace(block_sizes.current, **sizes))
