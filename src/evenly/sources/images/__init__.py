"""Read images from files, archives and memory; ``docs/images.md`` defines the pixel values."""

from evenly.sources.images.batch_buffer import ImageBlock as ImageBlock
from evenly.sources.images.image_file import ImageFile as ImageFile
from evenly.sources.images.source import ImageSource as ImageSource
from evenly.sources.images.source import open_images as open_images
from evenly.sources.images.source import reject_weights_and_keys as reject_weights_and_keys
