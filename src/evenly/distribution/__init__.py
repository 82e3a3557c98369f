"""Distributions: counts of values in bins, and the quantiles and histograms computed from them."""

from evenly.distribution.bins import Bins as Bins
