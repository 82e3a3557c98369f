"""Distributed engines: each partition is fitted where it is stored. See README.md here."""
