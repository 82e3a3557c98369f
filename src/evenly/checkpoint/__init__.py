"""Checkpoints: statistics files with a manifest of the files. See README.md here."""
