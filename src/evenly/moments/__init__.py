"""Exact moments: the state that adds up, and what is read from it."""

from evenly.moments.moments import Moments as Moments
from evenly.moments.moments import load as load
from evenly.moments.moments import load_with_ledger as load_with_ledger
from evenly.moments.moments import merge as merge
