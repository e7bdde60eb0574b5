"""The codebook's loss: which term beta weights, and where gradients go (closed forms are in test_quantiser)."""

import torch

from epe.losses.codebook import codebook_loss


def test_legacy_puts_beta_on_the_other_term() -> None:
    latents, codes = torch.zeros(4, requires_grad=True), torch.ones(4, requires_grad=True)
    gradients = {}
    for legacy in (False, True):
        loss = codebook_loss(latents, codes, 0.25, legacy=legacy)
        assert loss.item() == 1.25
        gradients[legacy] = torch.autograd.grad(loss, (latents, codes))
    assert torch.equal(gradients[True][0], 4 * gradients[False][0])
    assert torch.equal(4 * gradients[True][1], gradients[False][1])
