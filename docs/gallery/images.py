import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_images

import evenly

images = load_sample_images().images  # a temple and a flower, 427 x 640 x 3
moments = evenly.fit(images, feature_axis=-1)  # the last axis has the channels
pixels = np.stack(images)
normalized = moments.normalize(pixels, feature_axis=-1)

figure, axes = plt.subplots(1, 2, figsize=(6.2, 2.7))
colors = {"red": "#c2410c", "green": "#0f766e", "blue": "#1f5fbf"}
for channel, (name, color) in enumerate(colors.items()):
    for panel, values in zip(axes, (pixels, normalized), strict=True):
        counts, edges = np.histogram(values[..., channel], bins=64)
        panel.plot(edges[:-1], counts / counts.sum(), color=color, label=name)
axes[0].set(xlabel="pixel, 0 to 255", ylabel="share of the pixels")
axes[1].set(xlabel="normalized")
axes[0].legend()

print(moments)
print(f"mean after: {normalized.mean(axis=(0, 1, 2), dtype=np.float64).round(6)}")
