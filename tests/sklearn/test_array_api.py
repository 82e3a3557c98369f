"""Tests of array API dispatch: tensors stay tensors.

SciPy reads the environment variable on import, so dispatch is tested in a subprocess.
"""

import os
import subprocess
import sys

import numpy as np
import torch

from evenly.sklearn import StandardScaler

DISPATCHED = """
import copy
import sklearn, torch
from evenly.sklearn import StandardScaler

x = torch.tensor([[1.7e9, 1.0], [1.7e9 + 256, float("nan")], [1.7e9 + 512, 4.0]])
with sklearn.config_context(array_api_dispatch=True):
    scaler = StandardScaler().fit(x, sample_weight=torch.tensor([1.0, 2.0, 1.0]))
    y = scaler.transform(x)
    back = scaler.inverse_transform(y)
    assert all(isinstance(v, torch.Tensor) for v in (y, back, scaler.mean_, scaler.scale_))
    assert y.dtype == torch.float32 and torch.equal(back.nan_to_num(), x.nan_to_num())
    assert scaler.n_samples_seen_.tolist() == [4.0, 2.0]
    assert scaler.transform((x.nan_to_num() > 1).to(torch.uint8)).dtype == torch.float64
    assert StandardScaler(copy=False).fit(x).transform(x) is x
assert isinstance(copy.deepcopy(scaler).mean_, torch.Tensor)
"""


def test_array_api_dispatch_returns_tensors():
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    process = subprocess.run(
        [sys.executable, "-c", DISPATCHED], env=environment, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr


def test_tensor_becomes_numpy_array_without_dispatch():
    x = torch.tensor([[1.0], [3.0]])
    result = StandardScaler().fit(x).transform(x)
    assert type(result) is np.ndarray
    assert result.tolist() == [[-1], [1]]
