"""Checkpoints: a statistics file with a manifest of the files in it. See README.md here."""
