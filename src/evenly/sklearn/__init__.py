"""scikit-learn's scalers, with exact statistics and mergeable state."""

from evenly.extras import require as _require

_require("sklearn", extra="sklearn", feature="evenly.sklearn")

from evenly.sklearn.range_scalers import MaxAbsScaler as MaxAbsScaler
from evenly.sklearn.range_scalers import MinMaxScaler as MinMaxScaler
from evenly.sklearn.range_scalers import RobustScaler as RobustScaler
from evenly.sklearn.scaler import StandardScaler as StandardScaler
