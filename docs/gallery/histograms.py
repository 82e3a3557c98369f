import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer

import evenly

frame = load_breast_cancer(as_frame=True).data
moments = evenly.fit(frame)
normalized = moments.normalize(frame)

names = ["mean area", "mean smoothness", "worst concavity"]
figure, axes = plt.subplots(2, 3, figsize=(6.4, 3.2))
for name, (before, after) in zip(names, axes.T, strict=True):
    before.hist(frame[name], bins=30, color="#9aa3b0")
    before.set_title(name)
    after.hist(normalized[name], bins=30)
    after.set_xlabel("standard deviations")
for row, label in zip(axes, ("tumors, raw", "normalized"), strict=True):
    row[0].set_ylabel(label)

print(moments.select(names))
print(f"largest mean after: {normalized.mean().abs().max():.0e}")
print(f"std after, divided by n: {normalized.std(ddof=0).min():.6f}")
