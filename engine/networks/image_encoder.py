"""What the pipelines ask of a network that turns a picture into tokens."""

from typing import Protocol

from PIL import Image
from torch import Tensor


class ImageEncoder(Protocol):
    """A picture encoder: DINOv3, or the small encoder of the embedded model."""

    def tokens(self, image: Image.Image, size: int) -> Tensor:
        """``image_tokens`` (1, T, C), float32, on the device of the weights.

        Args:
            image: mode "RGB", square, premultiplied on black (``crop_to_foreground``).
            size: pixels a side at which the network looks at it, such as 512 or 1024.
        """
        ...
