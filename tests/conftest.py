"""What every test has: random tests say how to repeat them."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "evenly",
    deadline=None,  # a shared machine has slow moments
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("thorough", settings.get_profile("evenly"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "evenly"))
