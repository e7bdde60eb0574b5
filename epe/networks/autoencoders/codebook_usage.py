"""Track how often each code of a codebook is used in training, and revive unused codes.

Codes far from all latents get no gradient and stay unused: most of a large codebook, if nothing is done. Restarts
after Dhariwal et al., "Jukebox", 2020 (section 3.1); moving averages instead of gradients after van den Oord et al.
2017 (appendix A.1); k-means as in Lancucki et al., "Robust Training of Vector Quantized Bottleneck Models", 2020.

Shapes: N latents of a batch, D features per code, K codes.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from epe.networks.autoencoders.quantiser import Quantiser

SMALL = 1e-5


class CodebookUsage(nn.Module):
    """Moving averages over batches of the number and the sum of the latents nearest to each code.

    Before the first batch, all codes count as used equally often, at their own position, so that four crops do not
    rule out codes from k-means. Restarts use averages separate from the logged one, which they do not touch.

    Args:
        codes: K.
        width: D.
        decay: weight of the previous average.
    """

    def __init__(self, codes: int, width: int, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("counts", torch.zeros(codes))
        self.register_buffer("sums", torch.zeros(codes, width))
        self.register_buffer("found", torch.zeros(codes))
        self.counts: Tensor
        self.sums: Tensor
        self.found: Tensor

    @torch.no_grad()
    def update(
        self,
        quantiser: Quantiser,
        vectors: Tensor,
        ids: Tensor,
        total: Callable[[Tensor], Tensor] = lambda x: x,
    ) -> None:
        """Move the averages (use of each code, sum of its latents) towards those of a batch.

        Args:
            quantiser: the quantiser that holds the codes.
            vectors: latents (N, D) of this process.
            ids: (N,), ids of their codes.
            total: returns the sum of a tensor over the processes that share the batch.
        """
        counts = total(torch.bincount(ids, minlength=len(self.counts)).to(self.counts))
        # Summed over processes rather than computed by each process from all latents: on GPUs index_add_ rounds
        # differently each time, and codes would drift apart.
        sums = total(torch.zeros_like(self.sums).index_add_(0, ids, vectors.to(self.sums)))
        if not self.counts.any():
            self.counts.copy_(counts.sum() / len(counts))
            self.sums.copy_(self.counts[:, None] * quantiser.codebook)
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        self.found.lerp_(counts, 1 - self.decay)  # from 0: too small at first, but equally so, and only shares matter

    @torch.no_grad()
    def move_codes(self, quantiser: Quantiser) -> None:
        """Set each code to the mean of its latents; a code that has had none for a long time stays where it is."""
        means = self.sums / self.counts.clamp_min(SMALL)[:, None]
        quantiser.codebook.copy_(torch.where(self.counts[:, None] > SMALL, means, quantiser.codebook))

    @torch.no_grad()
    def restart(self, quantiser: Quantiser, vectors: Tensor, below: float) -> Tensor:
        """Replace codes that are used less than `below` times as often as if all codes were used equally.

        Each is replaced by a latent of the batch (N, D), drawn at random by torch's global generator, and counts as
        used as often as the others until the average changes. To get the same codes, processes that share a batch must
        all pass the whole batch, and have the same generator state.

        Returns:
            The number of replaced codes, a scalar.
        """
        even = self.counts.mean()
        dead = torch.nonzero(self.counts < below * even)[:, 0]
        drawn = vectors[torch.randint(len(vectors), (len(dead),), device=vectors.device)].to(quantiser.codebook)
        quantiser.codebook[dead] = drawn
        self.counts[dead] = even
        self.sums[dead] = even * drawn.to(self.sums)
        return torch.tensor(float(len(dead)))

    def used(self, below: float = 0.01) -> Tensor:
        """Return the share of codes used at least `below` times as often as if all were used equally, a scalar."""
        return (self.found >= below * self.found.mean()).float().mean()

    def perplexity(self) -> Tensor:
        """Return the exponential of the entropy of the codes' shares, a scalar in 1 .. K; K if all are used equally."""
        return perplexity(self.found)


def perplexity(counts: Tensor) -> Tensor:
    """Return the exponential of the entropy of counts (K,), a scalar in 1 .. K."""
    fractions = counts / counts.sum()
    return torch.special.entr(fractions).sum().exp()
