"""Exact moments: the state that adds up, and what is read from it."""

from evenly.moments.grouped import GroupedMoments as GroupedMoments
from evenly.moments.moments import Moments as Moments
from evenly.moments.opened import load as load
from evenly.moments.opened import load_with_ledger as load_with_ledger
from evenly.moments.opened import merge as merge
