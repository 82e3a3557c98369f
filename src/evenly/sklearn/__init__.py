"""scikit-learn's StandardScaler, with exact statistics and mergeable state."""

from evenly.sklearn.scaler import StandardScaler as StandardScaler
