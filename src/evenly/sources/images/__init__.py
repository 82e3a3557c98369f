"""Images: files, archives and Pillow's own, into pixels by a stated rule (``docs/images.md``)."""

from evenly.sources.images.batch_buffer import Shot as Shot
from evenly.sources.images.image_file import Picture as Picture
from evenly.sources.images.image_file import is_image as is_image
from evenly.sources.images.scan import Listing as Listing
from evenly.sources.images.scan import holds_images as holds_images
from evenly.sources.images.scan import is_archive as is_archive
from evenly.sources.images.scan import pictures_in as pictures_in
from evenly.sources.images.source import ImageSource as ImageSource
from evenly.sources.images.source import Rule as Rule
from evenly.sources.images.source import check_alike as check_alike
from evenly.sources.images.source import files_source as files_source
from evenly.sources.images.source import memory_source as memory_source
