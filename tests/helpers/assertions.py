"""Compare moments in every attribute, including those that `==` ignores."""


def same(a, b):
    """Return whether two moments have the same sums, extremes, names, dtypes and sources."""
    names = ("columns", "dtypes", "rows", "sources", "extremes_are_bounds")
    return (
        a == b
        and a._state.extremes() == b._state.extremes()
        and all(getattr(a, name) == getattr(b, name) for name in names)
    )
