"""Drift: how far the columns of two data sets differ, with confidence intervals."""

from evenly.drift.column import ColumnDrift as ColumnDrift
from evenly.drift.comparison import Comparison as Comparison
from evenly.drift.comparison import compare as compare
from evenly.drift.facts import ColumnFacts as ColumnFacts
from evenly.drift.intervals import Interval as Interval
from evenly.drift.shape import Shape as Shape
