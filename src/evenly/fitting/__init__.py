"""Fitting: blocks into moments, one after the other or in threads, with checkpoints."""
