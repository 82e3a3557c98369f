"""datasketches: a KLL sketch of each column."""


def fit_quantiles(x, q, threads):
    from datasketches import kll_doubles_sketch

    columns = [column.astype(float) for column in x.T]

    def run():
        quantiles = []
        for column in columns:
            sketch = kll_doubles_sketch(200)
            sketch.update(column)
            quantiles.append(sketch.get_quantiles(list(q)))
        return quantiles

    return run
