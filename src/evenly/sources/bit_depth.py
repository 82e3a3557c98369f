"""Check that the images in batches have one bit depth."""

from evenly.block import Block
from evenly.errors import DataError


class BitDepth:
    """The bit depth of the images in all batches of a source: that of the first one."""

    def __init__(self) -> None:
        self._dtype = ""

    def check(self, block: Block) -> None:
        """Check that an image has the same bit depth as those before it.

        Raises
        ------
        DataError
            If there are both 8-bit and 16-bit images.
        """
        dtype = block.dtypes[0]
        self._dtype = self._dtype or dtype
        if dtype != self._dtype:
            raise DataError(
                "All images in batches must have the same bit depth. "
                f"Received: {block.label} of {dtype}, "
                f"after others of {self._dtype}. Pass a list, a folder or an archive of them."
            )
