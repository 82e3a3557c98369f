"""Images: files, archives and Pillow's own, into pixels by a stated rule (``docs/images.md``)."""

from evenly.sources.images.listing import Listing as Listing
from evenly.sources.images.listing import holds_images as holds_images
from evenly.sources.images.listing import is_archive as is_archive
from evenly.sources.images.listing import pictures_in as pictures_in
from evenly.sources.images.pictures import Picture as Picture
from evenly.sources.images.pictures import is_image as is_image
from evenly.sources.images.run import Shot as Shot
from evenly.sources.images.source import ImageSource as ImageSource
from evenly.sources.images.source import Rule as Rule
from evenly.sources.images.source import check_alike as check_alike
from evenly.sources.images.source import files_source as files_source
from evenly.sources.images.source import memory_source as memory_source
