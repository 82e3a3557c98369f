"""The mean of the standard deviations is not the standard deviation.

The most copied recipe for a data set's std averages those of its images or batches. What differs
*between* images is lost that way. Moments are added up instead, and divided when read.
"""

import torch

import evenly


def main() -> None:
    torch.manual_seed(0)
    brightness = torch.rand(500, 1, 1, 1)
    images = brightness + 0.1 * torch.randn(500, 1, 16, 16)  # dark ones and bright ones

    usual = sum(image.std() for image in images) / len(images)
    moments = evenly.fit(images.split(1), feature_axis=1)
    print("The standard deviation of 500 images, one at a time")
    print(f"right   {images.double().std(correction=0):.4f}")
    print(f"usual   {usual:.4f}  the mean of the images' standard deviations")
    print(f"evenly  {moments.std()[0]:.4f}  the images' moments, added up")


if __name__ == "__main__":
    main()
