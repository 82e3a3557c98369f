"""Normalization: ``(x - mean) / std`` and its inverse, for arrays, tensors and frames.

`transform` and `transform_by_group` inspect the type of ``x`` and call the module for it. None of
them knows `Moments`: they take a `Scaling`, three float64 numbers per column, or a `GroupScaling`,
a table of those with one row per group.
"""

from evenly.transform.dispatch import transform as transform
from evenly.transform.dispatch import transform_by_group as transform_by_group
from evenly.transform.exact_scaling import fast_scaling as fast_scaling
from evenly.transform.exact_scaling import scaling as scaling
from evenly.transform.scaling import CONSTANT_POLICIES as CONSTANT_POLICIES
from evenly.transform.scaling import Scaling as Scaling
