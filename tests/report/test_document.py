"""The JSON document of `evenly show --json`."""

import json

import numpy as np

from evenly import Moments
from evenly.report.as_json import to_dict


def test_numbers_round_trip_through_json():
    rng = np.random.default_rng(20130101)
    moments = Moments.empty(["a", "b"]).update(rng.normal(1e9, 1e-3, (100, 2)))
    columns = json.loads(json.dumps(to_dict(moments)))["columns"]
    assert [column["mean"] for column in columns] == moments.mean.tolist()
    assert [column["std"] for column in columns] == moments.std().tolist()
    assert [column["variance"] for column in columns] == moments.variance().tolist()


def test_nan_is_null():
    moments = Moments.empty(["a"]).update(np.array([[np.nan]]))
    (column,) = to_dict(moments)["columns"]
    assert column["mean"] is None
    assert column["missing"] == 1
    assert column["remark"] == "all missing"
    json.dumps(to_dict(moments), allow_nan=False)


def test_unnamed_columns_are_numbered():
    moments = Moments.empty(2).update(np.zeros((1, 2)))
    assert [column["name"] for column in to_dict(moments)["columns"]] == [0, 1]


def test_document_has_sources():
    moments = Moments.empty(["a"], sources=["monday.csv"]).update(np.zeros((3, 1)))
    assert (to_dict(moments)["rows"], to_dict(moments)["sources"]) == (3, ["monday.csv"])
