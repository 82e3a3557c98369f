"""scikit-learn's StandardScaler, with exact statistics and mergeable state."""

from evenly.extras import require as _require

_require("sklearn", extra="sklearn", feature="evenly.sklearn")

from evenly.sklearn.scaler import StandardScaler as StandardScaler
