"""Read images from files, archives and memory; ``docs/images.md`` defines the pixel values."""
