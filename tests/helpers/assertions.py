"""Equal in everything: what adds up, and what `==` does not look at."""


def same(a, b):
    """Whether two moments are the same in everything that they hold."""
    names = ("columns", "dtypes", "rows", "sources", "extremes_are_bounds")
    return (
        a == b
        and a._state.extremes() == b._state.extremes()
        and all(getattr(a, name) == getattr(b, name) for name in names)
    )
