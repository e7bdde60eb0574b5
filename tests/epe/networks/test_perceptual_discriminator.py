"""The critics: sizes as published, verdict maps, projection against its definition."""

import pytest
import torch
import torch.nn.functional as F

from epe.networks.backbones.vgg import VGG16
from epe.networks.perceptual_discriminator import RELEASED_TAPS, Critic, DiscriminatorSpec, PerceptualDiscriminator

HEADS = {"relu1": 1_636_737, "relu2": 2_263_809, "relu3": 3_001_345, "relu4": 3_591_169}


def test_published_parameter_counts() -> None:
    with torch.device("meta"):
        released = PerceptualDiscriminator(DiscriminatorSpec())
        short = PerceptualDiscriminator(DiscriminatorSpec(layers=3))
    assert sum(p.numel() for p in released.parameters()) == 27_578_634
    assert sum(p.numel() for p in short.parameters()) == 21_675_274
    for tap, critic in released.critics.items():
        assert sum(p.numel() for p in critic.parameters()) == HEADS[tap[:5]], tap


def test_verdict_maps_of_a_196_crop() -> None:
    with torch.device("meta"):
        critics = PerceptualDiscriminator(DiscriminatorSpec())
        features = VGG16("replicate")(torch.empty(2, 3, 196, 196), RELEASED_TAPS)
        scores = {
            tap: critics.critics[tap](features[tap], torch.empty(2, 194, 196, 196)).shape for tap in RELEASED_TAPS
        }
    for tap in RELEASED_TAPS:
        side = 12 if tap.startswith("relu4") else 13
        assert scores[tap] == (2, 1, side, side)


@pytest.fixture
def critics() -> PerceptualDiscriminator:
    torch.manual_seed(0)
    return PerceptualDiscriminator(DiscriminatorSpec(("relu2_1", "relu5_3"), 7, 2, 16))


def features_of(batch: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "relu2_1": torch.rand(batch, 128, 24, 24, generator=generator),
        "relu5_3": torch.rand(batch, 512, 3, 3, generator=generator),
    }


def test_projection_equals_embedding_every_pixel(critics: PerceptualDiscriminator) -> None:
    labels = torch.randint(7, (2, 48, 48), generator=torch.Generator().manual_seed(2))
    features = features_of(2)
    got = critics(features, labels)["relu2_1"]
    critic = critics.critics["relu2_1"]
    assert isinstance(critic, Critic)
    x = critic.body(features["relu2_1"])
    embedded = F.adaptive_avg_pool2d(critic.embedding(labels).movedim(-1, 1), x.shape[-2:])
    wanted = critic.out(x) + (embedded * x).sum(1, keepdim=True)
    # 1e-5: fp32, the average and the sum over classes are exchanged.
    assert torch.allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize("size", [48, 50])
def test_pooled_labels_embed_exactly_as_pixels_do(critics: PerceptualDiscriminator, size: int) -> None:
    """The embedding is linear in the one-hot mask; in float64 no difference is left, also where cells overlap."""
    critic = critics.critics["relu2_1"].double()
    labels = torch.randint(7, (2, size, size), generator=torch.Generator().manual_seed(2))
    features = features_of(2)["relu2_1"].double()
    fractions = F.one_hot(labels, 7).movedim(-1, 1).double()
    x = critic.body(features)
    embedded = F.adaptive_avg_pool2d(critic.embedding(labels).movedim(-1, 1), x.shape[-2:])
    wanted = critic.out(x) + (embedded * x).sum(1, keepdim=True)
    assert torch.allclose(critic(features, fractions), wanted, rtol=0, atol=1e-13)


def test_one_image_does_not_touch_another(critics: PerceptualDiscriminator) -> None:
    labels = torch.randint(7, (3, 48, 48), generator=torch.Generator().manual_seed(2))
    features = features_of(3)
    together = critics(features, labels)["relu5_3"]
    alone = [critics({t: f[i : i + 1] for t, f in features.items()}, labels[i : i + 1])["relu5_3"] for i in range(3)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_only_the_given_taps_are_judged(critics: PerceptualDiscriminator) -> None:
    features = features_of(1)
    del features["relu2_1"]
    assert list(critics(features, torch.zeros(1, 8, 8, dtype=torch.int64))) == ["relu5_3"]


@pytest.mark.parametrize("bad", [7, -1])
def test_refuses_labels_outside_the_taxonomy(critics: PerceptualDiscriminator, bad: int) -> None:
    labels = torch.full((1, 8, 8), bad)
    with pytest.raises(ValueError, match=r"0 \.\. 6"):
        critics(features_of(1), labels)


@pytest.mark.parametrize("size", [48, 50])
def test_sampled_labels_are_embedded_then_resized_as_released(size: int) -> None:
    """Each pixel's vector, resized bilinearly with aligned corners and without filtering; in float64."""
    torch.manual_seed(0)
    critic = Critic("relu2_1", 7, 2, 16, "sampled").double()
    labels = torch.randint(7, (2, size, size), generator=torch.Generator().manual_seed(2))
    features = features_of(2)["relu2_1"].double()
    x = critic.body(features)
    vectors = critic.embedding(labels).movedim(-1, 1)
    sides = [torch.linspace(0, size - 1, n, dtype=torch.float64) for n in x.shape[-2:]]
    rows, columns = (side.floor().long().clamp(max=size - 2) for side in sides)
    down, right = (sides[0] - rows)[:, None], sides[1] - columns
    upper, lower = vectors[:, :, rows], vectors[:, :, rows + 1]
    mixed = (1 - down) * upper[..., columns].mul(1 - right).add(upper[..., columns + 1] * right)
    mixed = mixed + down * lower[..., columns].mul(1 - right).add(lower[..., columns + 1] * right)
    wanted = critic.out(x) + (mixed * x).sum(1, keepdim=True)
    masks = F.one_hot(labels, 7).movedim(-1, 1).double()
    assert torch.allclose(critic(features, masks), wanted, rtol=0, atol=1e-12)
    pooled = Critic("relu2_1", 7, 2, 16).double()
    pooled.load_state_dict(critic.state_dict())
    assert (pooled(features, masks) - wanted).abs().max() > 1e-3
