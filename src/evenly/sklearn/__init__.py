"""scikit-learn's StandardScaler, exact: the same estimator, whose state adds up."""

from evenly.sklearn.scaler import StandardScaler as StandardScaler
