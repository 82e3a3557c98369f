"""Exact moments: a mergeable state, and the statistics computed from it."""

from evenly.moments.by_key import MomentsByKey as MomentsByKey
from evenly.moments.grouped import GroupedMoments as GroupedMoments
from evenly.moments.load import load as load
from evenly.moments.load import load_with_manifest as load_with_manifest
from evenly.moments.load import merge as merge
from evenly.moments.moments import Moments as Moments
