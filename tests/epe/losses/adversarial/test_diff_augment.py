"""What critics see changes as published, gradients flow through it, and labels go with their pictures."""

import pytest
import torch

from epe.losses.adversarial.diff_augment import AUGMENTATIONS, diff_augment


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(batch: int = 64, side: int = 32) -> torch.Tensor:
    return torch.rand(batch, 3, side, side, generator=generator(7), dtype=torch.float64)


def labels_of(image: torch.Tensor) -> torch.Tensor:
    """Ids that tell the place: row times width plus column."""
    height, width = image.shape[-2:]
    return torch.arange(height * width).view(height, width).expand(len(image), -1, -1)


def test_nothing_asked_nothing_changed() -> None:
    image = pictures()
    same, labels = diff_augment(image, labels_of(image), ())
    assert same is image
    assert torch.equal(labels, labels_of(image))


def test_colours_change_by_the_published_amounts() -> None:
    image = pictures(4000, 4)
    found, _ = diff_augment(image, labels_of(image), ["colour"], generator())
    shift = (found - image).mean((1, 2, 3))
    # Brightness alone moves the mean: evenly over half of the range, as -0.5 to 0.5 of images in [-1, 1].
    assert -0.25 < shift.min() < -0.24
    assert 0.24 < shift.max() < 0.25
    assert shift.std() == pytest.approx(0.5 / 12**0.5, rel=0.03)
    # Contrast scales what a picture's grey deviates by, saturation the rest as well.
    grey = [(x.mean(1) - x.mean((1, 2, 3))[:, None, None]).flatten(1) for x in (image, found)]
    contrast = (grey[0] * grey[1]).sum(1) / grey[0].square().sum(1)
    assert torch.allclose(grey[1], contrast[:, None] * grey[0], atol=1e-9)
    assert 0.5 <= contrast.min() < 0.51
    assert 1.49 < contrast.max() <= 1.5
    chroma = [(x - x.mean(1, keepdim=True)).flatten(1) for x in (image, found)]
    saturation = (chroma[0] * chroma[1]).sum(1) / chroma[0].square().sum(1) / contrast
    assert -1e-9 <= saturation.min() < 0.01
    assert 1.99 < saturation.max() <= 2 + 1e-9


def test_pictures_and_labels_are_shifted_alike() -> None:
    image = pictures()
    moved, labels = diff_augment(image, labels_of(image), ["translation"], generator())
    rows, columns = labels // 32, labels % 32
    batch = torch.arange(len(image))[:, None, None]
    assert torch.equal(moved, image.movedim(1, -1)[batch, rows, columns].movedim(-1, 1))
    middle = labels[:, 16, 16]
    shifts = torch.stack([middle // 32 - 16, middle % 32 - 16])
    assert set(shifts.flatten().tolist()) == set(range(-4, 5))
    # Where there is nothing to be shifted in, the border is repeated.
    assert (rows.diff(dim=1) <= 1).all()
    assert rows.min() == 0


def test_a_square_of_half_a_side_is_cut_out() -> None:
    image = pictures(200)
    found, labels = diff_augment(image, labels_of(image), ["cutout"], generator())
    assert torch.equal(labels, labels_of(image))
    gone = (found != image).all(1)
    assert (found.movedim(1, -1)[gone] == 0.5).all()
    sizes = gone.any(2).sum(1), gone.any(1).sum(1)
    for side in sizes:  # less where its centre is near the border
        assert side.max() == 16
        assert side.min() >= 8
    assert torch.equal(gone.sum((1, 2)), sizes[0] * sizes[1])


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_gradients_flow_through(kind: str) -> None:
    """The changes are linear in the picture: its gradient is that of the same draws, and exact."""
    image = pictures(2, 8).requires_grad_()

    def changed(x: torch.Tensor) -> torch.Tensor:
        return diff_augment(x, labels_of(x), [kind], generator(3))[0]  # type: ignore[list-item]

    assert torch.autograd.gradcheck(changed, image)


def test_seeds_and_unknown_kinds() -> None:
    image = pictures()
    one, other = (diff_augment(image, labels_of(image), AUGMENTATIONS, generator(s))[0] for s in (1, 2))
    assert torch.equal(one, diff_augment(image, labels_of(image), AUGMENTATIONS, generator(1))[0])
    assert not torch.equal(one, other)
    with pytest.raises(ValueError, match="got 'rain'"):
        diff_augment(image, labels_of(image), ["rain"])  # type: ignore[list-item]
