"""Moments for people: a text table, and the progress on the way there."""
