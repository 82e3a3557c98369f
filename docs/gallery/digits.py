import matplotlib.pyplot as plt
from matplotlib.colors import LinearSegmentedColormap
from sklearn.datasets import load_digits

import evenly

digits = load_digits().data  # 1,797 images of 8 x 8 pixels: 64 columns
moments = evenly.fit(digits)
normalized = moments.normalize(digits)

colors = LinearSegmentedColormap.from_list("site", ["#ffffff", "#1f5fbf"])
shown = {
    "mean": moments.mean,
    "standard deviation": moments.std(),
    "a digit": digits[4],
    "the digit, normalized": normalized[4],
}
figure, axes = plt.subplots(1, 4, figsize=(6.2, 1.9))
for panel, (title, values) in zip(axes, shown.items(), strict=True):
    panel.pcolormesh(values.reshape(8, 8)[::-1], cmap=colors, rasterized=False)
    panel.set_title(title)
    panel.set_aspect("equal")
    panel.set_axis_off()

constant = moments.constant.nonzero()[0]
print(f"constant pixels: {constant.tolist()}")
print(f"they become {set(normalized[:, constant].ravel().tolist())}")
