"""sKVD and KVD of one layer, with resamples: from inner products of crops to distances.

The kernel and the estimator are in `eval.metrics.mmd`.

Shapes: N rendered crops, M real crops, B resamples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.features.inner_products import InnerProducts
from eval.kvd.outliers import remoteness
from eval.kvd.pairing import Pairing
from eval.metrics.mmd import cubic_kernel, mmd2, paired_mmd2

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

UNIT = 1000.0


@dataclass(frozen=True)
class LayerDistances:
    """The distances between crops in one layer of the network, by the inner products of their features.

    Attributes:
        products: inner products of the features, divided by their dimension.
        square: the squared scale of the layer, by which the products are divided.
        frames: per method (N,), the image of each rendered crop, as a number.
        photos: (M,) the image of each real crop; a picture on both sides has one number.
        pairing: which crops are compared.
        draws: (1 + B, N) how often each rendered crop was drawn, shared by all layers; row 0 is ones.
        by_image: whether pairs with an image twice are left out, as crops of one image are not independent; otherwise
            each crop in a list is its own sample, as in feamgan's release.
    """

    products: InnerProducts
    square: float
    frames: list[Indices]
    photos: Indices
    pairing: Pairing
    draws: Array
    by_image: bool = True

    def skvd(self, method: int) -> Array:
        """sKVD of a method, 1000 x MMD²: (1 + B,), the plain value and those of the resamples.

        It compares the rendered crops and the real crops of the pairs. A crop counts once for each pair that it is in.
        """
        fake, real = self.pairing.fake, self.pairing.partner
        draws = self.draws[:, fake]
        if self.by_image:
            frames, photos = self.frames[method][fake], self.photos[real]
            kernels = self._kernels(method, fake, real)
            return UNIT * paired_mmd2(*kernels, x_groups=frames, y_groups=photos, counts=draws)
        return self._mmd2(method, fake, real, draws, draws)

    def kvd(self, method: int) -> Array:
        """KVD of a method, 1000 x MMD²: (1 + B,), the plain value and those of the resamples.

        It compares all rendered crops with the photographs' sample, whatever they show.
        """
        every, sample = np.arange(self.draws.shape[1]), self.pairing.sample
        return self._mmd2(method, every, sample, self.draws, np.ones((len(self.draws), len(sample))))

    def remoteness(self, method: int) -> Array:
        """How far the rendered crop of each of P pairs lies from all partners: (P,); see `eval.kvd.outliers`."""
        fake, real = self.pairing.fake, self.pairing.partner
        return remoteness(
            cubic_kernel(np.diag(self.products.fake[method])[fake] / self.square),
            cubic_kernel(self.products.across[method][np.ix_(fake, real)] / self.square),
            groups=self.frames[method][fake],
            y_groups=self.photos[real],
        )

    def _mmd2(self, method: int, fake: Indices, real: Indices, draws: Array, real_draws: Array) -> Array:
        images = (self.frames[method][fake], self.photos[real])
        x_groups, y_groups = images if self.by_image else (np.arange(len(fake)), -1 - np.arange(len(real)))
        return UNIT * mmd2(
            *self._kernels(method, fake, real),
            x_groups=x_groups,
            y_groups=y_groups,
            x_counts=draws,
            y_counts=real_draws,
        )

    def _kernels(self, method: int, fake: Indices, real: Indices) -> tuple[Array, Array, Array]:
        """Kernel values within the rendered crops, between them and the real ones, and within the real ones."""
        return (
            cubic_kernel(self.products.fake[method][np.ix_(fake, fake)] / self.square),
            cubic_kernel(self.products.across[method][np.ix_(fake, real)] / self.square),
            cubic_kernel(self.products.real[np.ix_(real, real)] / self.square),
        )


def mean_square(real: Array, sample: Indices) -> float:
    """Mean square of a layer's features over the photographs' sample; see `InnerProducts` for `real`."""
    return float(np.diag(real)[sample].mean())
