"""The mean of the standard deviations is not the standard deviation.

A popular recipe for a data set's std averages those of its images or batches, which loses the
variance *between* images. evenly adds exact sums, and divides only at the end.
"""

import torch

import evenly


def main() -> None:
    torch.manual_seed(0)
    brightness = torch.rand(500, 1, 1, 1)
    images = brightness + 0.1 * torch.randn(500, 1, 16, 16)  # dark and bright images

    usual = sum(image.std() for image in images) / len(images)
    moments = evenly.fit(images.split(1), feature_axis=1)
    print("The standard deviation of 500 images, one at a time")
    print(f"right   {images.double().std(correction=0):.4f}")
    print(f"usual   {usual:.4f}  the mean of the images' standard deviations")
    print(f"evenly  {moments.std()[0]:.4f}  the images' moments, merged")


if __name__ == "__main__":
    main()
