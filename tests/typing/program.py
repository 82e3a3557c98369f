"""A program of a user, which type checkers read and nothing runs."""

from typing import Any, assert_type

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import torch
from torch import nn

import evenly
from evenly.torch import BatchNorm1d, ConversionReport, Normalize, convert
from evenly.typing import FloatArray

array = np.zeros((3, 2), np.float32)
moments = evenly.fit(array, columns=[0, 1], infinite="missing", threads=2)
assert_type(moments, evenly.Moments)
groups = evenly.fit(array, by=["a", "a", "b"])
assert_type(groups, evenly.GroupedMoments)
assert_type(evenly.fit("x.parquet", by="station", update="s.json"), evenly.GroupedMoments)
assert_type(evenly.fit("x.parquet", exclude="y"), evenly.Moments)

assert_type(evenly.Moments.empty(2), evenly.Moments)
assert_type(moments.update(array, infinite="error"), evenly.Moments)
assert_type(moments + moments - moments, evenly.Moments)
assert_type(sum([groups, groups], start=groups), evenly.GroupedMoments)
assert_type(moments.select([0]), evenly.Moments)
assert_type(evenly.merge([moments, moments]), evenly.Moments)
assert_type(evenly.merge([groups, groups]), evenly.GroupedMoments)
assert_type(groups["a"], evenly.Moments)
assert_type(groups.total(), evenly.Moments)
assert_type(moments.mean, npt.NDArray[np.float64])
assert_type(moments.std(correction=1), npt.NDArray[np.float64])
assert_type(moments.rows, int)

assert_type(moments.normalize(array, missing="zero", constant="center"), FloatArray)
assert_type(moments.normalize([[1.0, 2.0]]), FloatArray)
assert_type(moments.denormalize(array, out=array), FloatArray)
assert_type(groups.normalize(array, by=[1, 1, 2], unknown="total"), FloatArray)


def scale_other_containers(tensor: torch.Tensor, frame: pd.DataFrame, lazy: pl.LazyFrame) -> None:
    """Each container comes back as its own type."""
    assert_type(moments.normalize(tensor, out=tensor), torch.Tensor)
    assert_type(moments.denormalize(tensor), torch.Tensor)
    assert_type(moments.normalize(frame), pd.DataFrame)
    assert_type(groups.normalize(frame, unknown="missing"), pd.DataFrame)
    assert_type(moments.normalize(lazy), pl.LazyFrame)


def build_layers(model: nn.Module) -> None:
    """Options of layers are checked, and the result depends on them."""
    assert_type(convert(model, non_finite="skip"), nn.Module)
    assert_type(convert(model, report=True), tuple[nn.Module, ConversionReport])
    assert_type(Normalize.fit("x.parquet", exclude="y"), Normalize)
    assert_type(Normalize.from_moments(moments, scale="0..1").freeze(), Normalize)


def wrong(tensor: Any, zeros: torch.Tensor) -> None:
    """Each of these lines must be an error."""
    evenly.fit(array, infinite="ignore")  # error
    evenly.fit(array, mode="RGBA")  # error
    evenly.fit(array, colums=["x"])  # error
    moments.normalize(array, missing="drop")  # error
    moments.normalize(array, constant=True)  # error
    groups.normalize(array, unknown="skip")  # error
    moments.update(array, infinite="keep")  # error
    moments + groups  # error
    convert(nn.Linear(1, 1), to="keras")  # error
    convert(nn.Linear(1, 1), single="skip")  # error
    BatchNorm1d(3, update="never")  # error
    Normalize(3, unfitted="skip")  # error
    Normalize.fit(array, progress=True)  # error
    assert_type(moments.normalize(zeros), FloatArray)  # error


keyed = evenly.fit([{"x": array}], select={"x": "x"}, feature_axis={"x": 1}, distribution=True)
assert_type(keyed, evenly.MomentsByKey)
assert_type(keyed["x"], evenly.Moments)
assert_type(keyed + keyed - keyed, evenly.MomentsByKey)
assert_type(evenly.merge([keyed, keyed]), evenly.MomentsByKey)
assert_type(keyed.select(["x"]).paths, dict[str, tuple[str | int, ...]])
assert_type(keyed.normalize({"x": array}, method="minmax", feature_axis={"x": 1}), Any)
assert_type(evenly.fit([{"x": array}], select="x"), evenly.Moments)
