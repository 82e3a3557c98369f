"""Fit moments on blocks, sequentially or in threads, optionally with checkpoints."""
