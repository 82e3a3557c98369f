"""Drift: how far the columns of two data sets differ, with confidence intervals."""

from evenly.drift.comparison import Comparison as Comparison
from evenly.drift.comparison import compare as compare
