"""The generators by the names that users call them by, in sizes that only the data's channels and classes complete."""

from collections.abc import Sequence

from epe.networks.enhancers.enhancer import PRESETS as ENHANCERS
from epe.networks.enhancers.enhancer import Enhancer, EnhancerSpec
from epe.networks.enhancers.lite import PRESETS as LITES
from epe.networks.enhancers.lite import Lite, LiteSpec
from epe.networks.enhancers.realformer import PRESETS as REALFORMERS
from epe.networks.enhancers.realformer import RealFormer, RealFormerSpec
from epe.networks.enhancers.realformer_v1 import PRESETS as V1
from epe.networks.enhancers.realformer_v1 import RealFormerV1
from epe.networks.enhancers.realformer_v2 import PRESETS as V2
from epe.networks.enhancers.realformer_v2 import RealFormerV2

Generator = Enhancer | Lite | RealFormer | RealFormerV1 | RealFormerV2
NAMES = (*LITES, *ENHANCERS, *REALFORMERS, *V1, *V2)


def generator(name: str, channels: int, streams: Sequence[Sequence[int]]) -> Generator:
    """An untrained generator.

    Args:
        name: one of `NAMES`.
        channels: of the G-buffers; the published RealFormers read none.
        streams: per class, the channels that its stream reads; only the enhancers have a stream per class.

    Raises:
        ValueError: sizes that cannot be.
        KeyError: another name.
    """
    if name in LITES:
        return Lite(LiteSpec(channels, len(streams), **LITES[name]))
    if name in REALFORMERS:
        return RealFormer(RealFormerSpec(channels, len(streams), **REALFORMERS[name]))
    if name in V1:
        return RealFormerV1(V1[name])
    if name in V2:
        return RealFormerV2(V2[name])
    return Enhancer(EnhancerSpec(channels, tuple(map(tuple, streams)), **ENHANCERS[name]))
