"""Distributed engines: fit each partition where it is stored. See README.md here."""
