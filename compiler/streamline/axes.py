"""Images inside tensors of the model: which axes are rows, columns and channels.

The model's tensors keep their shape, (N, C, H, W) mostly; the integer graph's images are channels
last. What stands between is a Reorder in each direction, and those of two neighbours cancel.
"""

from dataclasses import dataclass

import numpy as np

from thresher.compiler.integer.ir import Tensor
from thresher.compiler.streamline.context import Context

__all__ = ["ImageAxes"]


@dataclass(frozen=True)
class ImageAxes:
    """One or two axes of a tensor of `rank` as rows and columns (one: columns alone).

    Of the other axes the last is the channels, those before are a number of images.
    """

    rank: int
    spatial: tuple[int, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """The tensor's axes as the image has them."""
        rest = [k for k in range(self.rank) if k not in self.spatial]
        return (*rest[:-1], *self.spatial, *rest[-1:])

    def to_image(self, array: np.ndarray) -> np.ndarray:
        """(..., H, W, C) of an array with the tensor's axes."""
        moved = array.transpose(self.order)
        if len(self.spatial) == 1:
            moved = np.expand_dims(moved, -3)
        return moved if len(self.spatial) < self.rank else moved[..., None]

    def to_tensor(self, array: np.ndarray) -> np.ndarray:
        """What `to_image` made, back."""
        array = array if len(self.spatial) < self.rank else array[..., 0]
        if len(self.spatial) == 1:
            array = array.squeeze(-3)
        return array.transpose(np.argsort(self.order))

    def image(self, context: Context, x: Tensor) -> Tensor:
        """The image of a tensor."""
        index = np.arange(x.size).reshape(x.shape)
        return context.builder.reorder(x, self.to_image(index), name=context.hint)

    def tensor(self, context: Context, x: Tensor) -> Tensor:
        """The tensor of an image."""
        index = np.arange(x.size).reshape(x.shape)
        return context.builder.reorder(x, self.to_tensor(index), name=context.hint)
