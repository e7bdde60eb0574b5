"""python -m datasets.label: make label maps for frames and photographs, with one taxonomy.

    python -m datasets.label frames=captures/day photos=streets --out labels

Label maps are written to LABELS/NAME/<key>.png or, for a folder without a NAME, to LABELS/<folder, relative to the
folders' common parent>/<key>.png. The options that pass them to other commands are printed, ready to paste.

Method `clusters`: k-means over VGG16 features of all given folders at once, where each folder is its own domain
(renderings, photographs). The clustering is written to LABELS/clusters.npz. Pass that file with --clusters to label
further folders in the same way, in the same order of domains.

Method `classes`: the class ids in frame files (a renderer's, or a person's for photographs), mapped to the classes
whose names all folders share, or to those of a YAML file (--classes, such as datasets/labelling/street.yaml). Pixels
with none of these get the last class, "other", which never makes two crops alike for eval.skvd.

Method `segmenter`: a segmenter labels all folders (--segmenter): a model of train.segmenter, which knows its classes
(--classes may group them), or another network in an ONNX file, whose numbers --classes explains.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from datasets.images import Images, check_out
from datasets.labelling.class_maps import class_maps, class_names, write_maps
from datasets.labelling.segmenter import open_segmenter
from datasets.labelling.taxonomy import OTHER, read_taxonomy, shared_taxonomy
from datasets.labels import forget_facts, write_facts, write_label
from datasets.photos import to_height
from datasets.runtime.device import device_of, full_precision
from datasets.runtime.weights import asset, load_vgg
from epe import models
from epe.matching.clusters import LAYERS, MAX_SEED, Clusters, fit, pixel_features
from epe.networks.backbones.vgg import CHANNELS, VGG16
from gbuffer_tools.command import check_seed, name_and_path, run
from gbuffer_tools.errors import InputError
from gbuffer_tools.frame_file.naming import fit_name
from gbuffer_tools.io.arrays import read_npz
from gbuffer_tools.io.atomic import replacing

# Length of the features that are clustered.
LENGTH = sum(CHANNELS[layer] for layer in LAYERS)
# Minimum side of an image in pixels, because VGG16 halves the resolution four times up to relu5_3.
SMALLEST = 16


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m datasets.label", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folders",
        type=side,
        nargs="+",
        metavar="[NAME=]DIR",
        help="folders of frame files or images, one domain each: frames, then photographs",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="LABELS", help="folder to write")
    parser.add_argument(
        "--method", choices=list(METHODS), default="clusters", help="labelling method (default: %(default)s)"
    )
    parser.add_argument("--count", type=int, default=12, help="number of clusters (default: %(default)s)")
    parser.add_argument("--clusters", type=Path, metavar="NPZ", help="use this clustering instead of making one")
    parser.add_argument(
        "--classes", type=Path, metavar="YAML", help="which names of classes mean the same (default: equal names)"
    )
    parser.add_argument("--segmenter", type=Path, metavar="FILE", help="model of train.segmenter, or ONNX network")
    parser.add_argument("--vgg", type=Path, help="VGG16 weights (default: those that app.assets fetched)")
    parser.add_argument(
        "--device", default="cpu", help="where VGG16, or a segmenter, computes: cpu or cuda (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of k-means (default: %(default)s)")
    return parser


@dataclass(frozen=True)
class Side:
    """A folder to label, and the name of its folder of label maps; "" if the user gave it no name."""

    name: str
    folder: Path


def side(text: str) -> Side:
    """Parse a folder from the command line: NAME=DIR or DIR."""
    name, folder = name_and_path(text)
    return Side("" if name is None else fit_name(name), Path(folder))


def label_folders(sides: Sequence[Side], out: Path) -> list[Path]:
    """Return the folder under `out` for each folder's label maps: its name, or its path relative to the common parent.

    Raises:
        InputError: a folder or a name is given twice.
    """
    resolved = [side.folder.resolve() for side in sides]
    if len(set(resolved)) < len(resolved):
        raise InputError(f"{sides[0].folder}: given twice; name each folder once.")
    common = Path(os.path.commonpath(resolved)) if len(resolved) > 1 else resolved[0].parent
    found = [out / (side.name or path.relative_to(common)) for side, path in zip(sides, resolved, strict=True)]
    if len(set(found)) < len(found):
        twice = next(path for path in found if found.count(path) > 1)
        raise InputError(f"{twice}: would hold the label maps of two folders; give them other names (NAME=DIR).")
    return found


@full_precision()
def features_of(vgg: VGG16, image: np.ndarray, name: str) -> np.ndarray:
    """Return the features (h, w, D) of an image (H, W, 3) uint8.

    Raises:
        InputError: the image is too small; the message calls it `name`.
    """
    if min(image.shape[:2]) < SMALLEST:
        raise InputError(f"{name}: is {image.shape[1]}x{image.shape[0]} pixels; wanted {SMALLEST} a side or more.")
    pixels = torch.from_numpy(np.ascontiguousarray(image)).movedim(-1, 0).float() / 255
    return pixel_features(vgg, pixels).cpu().numpy()


def read_clusters(path: Path, domains: int) -> Clusters:
    """Read a clustering that this command wrote.

    Raises:
        InputError: the file is not a clustering, or has another number of domains.
    """
    arrays = read_npz(path, dict.fromkeys(("mean", "basis", "scale", "centroids"), ("f", 2)))
    if len(arrays["mean"]) != domains:
        raise InputError(
            f"{path}: made from {len(arrays['mean'])} folders, got {domains}; give as many, in the same order."
        )
    shapes = [arrays[name].shape for name in ("mean", "basis", "scale", "centroids")]
    (_, length), (_, kept), _, (count, _) = shapes
    if shapes != [(domains, length), (length, kept), (domains, kept), (count, kept)] or length != LENGTH:
        raise InputError(f"{path}: arrays of shapes {shapes} are not a clustering; make it again.")
    if not 2 <= count <= 256 or not all(np.isfinite(array).all() for array in arrays.values()):
        raise InputError(f"{path}: {count} centroids, or values that are not finite; wanted 2 .. 256; make it again.")
    return Clusters(**arrays)


def make_clusters(args: argparse.Namespace, features: list[list[np.ndarray]]) -> Clusters:
    """Cluster the features of all folders and write LABELS/clusters.npz."""
    flat = [np.concatenate([f.reshape(-1, f.shape[-1]) for f in maps]) for maps in features]
    for folder, positions in zip(args.folders, flat, strict=True):
        if len(positions) < args.count:
            raise InputError(f"{folder}: too few pixels for {args.count} classes; add images, or lower --count.")
    clusters = fit(flat, args.count, args.seed)
    with replacing(args.out / "clusters.npz") as partial, partial.open("wb") as file:
        np.savez_compressed(file, **vars(clusters))
    return clusters


def by_clusters(args: argparse.Namespace, targets: list[Path]) -> None:
    """Make or read the clustering, assign labels, and write the label maps."""
    if not 2 <= args.count <= 256:
        raise InputError(f"--count {args.count}: wanted 2 .. 256 classes.")
    check_seed(args.seed, MAX_SEED)
    sets = [Images(folder) for folder in args.folders]
    height = min(sets[0][0].shape[0], 1080)
    known = read_clusters(args.clusters, len(sets)) if args.clusters else None
    vgg = load_vgg(args.vgg, "replicate").to(device_of(args.device))
    features = [
        [
            features_of(vgg, to_height(image, height), f"{folder}/{key}")
            for key, image in zip(images.keys, tqdm(images, desc=f"features of {folder}", unit="image"), strict=True)
        ]
        for folder, images in zip(args.folders, sets, strict=True)
    ]
    clusters = known or make_clusters(args, features)
    # Equal digests mean the same taxonomy, which commands that compare two label folders require.
    digests = {"vgg": models.digest(args.vgg or asset("vgg16")), "clusters": clusters.digest()}
    fractions = []
    for target in targets:
        forget_facts(target)
    for domain, (images, maps, target) in enumerate(zip(sets, features, targets, strict=True)):
        counts = np.zeros(len(clusters.centroids), np.int64)
        for key, values in zip(images.keys, maps, strict=True):
            ids = clusters.assign(values.reshape(-1, values.shape[-1]), domain).reshape(values.shape[:2])
            counts += np.bincount(ids.ravel(), minlength=len(counts))
            write_label(target, key, ids)
        fractions.append(counts / counts.sum())
        write_facts(
            target,
            {
                "method": "clusters",
                "classes": len(counts),
                "fractions": fractions[-1].round(4).tolist(),
                "digests": digests,
            },
        )
    for folder, target, fraction in zip(args.folders, targets, fractions, strict=True):
        print(
            f"{target}: {len(clusters.centroids)} classes; fractions in {folder}: "
            + " ".join(f"{s:.2f}" for s in fraction)
        )


def by_classes(args: argparse.Namespace, targets: list[Path]) -> None:
    """Write label maps from the class ids in frame files."""
    known = [class_names(folder) for folder in args.folders]
    taxonomy = read_taxonomy(args.classes) if args.classes else shared_taxonomy(known)
    listed = {name for meaning in taxonomy.classes.values() for name in meaning.game}
    for folder, names in zip(args.folders, known, strict=True):
        if not listed.intersection(names):
            raise InputError(
                f"{folder}: has the classes {', '.join(names)[:200] or 'none'}, wanted one that "
                f"{f'{args.classes} lists' if args.classes else 'all folders have'}; list which names mean the same in "
                "a YAML file, and pass it as --classes."
            )
    for folder, target, names in zip(args.folders, targets, known, strict=True):
        maps = tqdm(class_maps(folder, taxonomy), desc=f"labels of {folder}", unit="image")
        fractions = write_maps(target, maps, taxonomy.classes, "classes", {"classes": taxonomy.digest()})
        print_fractions(folder, target, [*taxonomy.classes, OTHER], fractions)
        left = [name for name in names if name not in listed]
        print(f"  {OTHER} in {folder}: {', '.join(left) or 'none of its classes'}")


def by_segmenter(args: argparse.Namespace, targets: list[Path]) -> None:
    """Write label maps that a segmenter finds."""
    if args.segmenter is None:
        raise InputError("--segmenter is missing: the file of the segmenter that labels the folders.")
    segmenter = open_segmenter(args.segmenter, args.classes, device_of(args.device))
    names = list(segmenter.taxonomy.classes)
    digests = {"segmenter": models.digest(args.segmenter), "classes": segmenter.taxonomy.digest()}
    for folder, target in zip(args.folders, targets, strict=True):
        images = Images(folder)
        bar = tqdm(range(len(images)), desc=f"labels of {folder}", unit="image")
        maps = ((images.keys[i], segmenter(images[i])) for i in bar)
        print_fractions(folder, target, [*names, OTHER], write_maps(target, maps, names, "segmenter", digests))


def print_fractions(folder: Path, target: Path, names: Sequence[str], fractions: np.ndarray) -> None:
    """Tell the user what was written, and which fraction of the pixels each class has."""
    listed = " ".join(f"{name} {fraction:.3f}" for name, fraction in zip(names, fractions, strict=True))
    print(f"{target}: {len(names)} classes; fractions in {folder}: {listed}")


METHODS: dict[str, Callable[[argparse.Namespace, list[Path]], None]] = {
    "clusters": by_clusters,
    "classes": by_classes,
    "segmenter": by_segmenter,
}
"""The labelling methods by name."""


def main(args: argparse.Namespace) -> None:
    """Label the folders by the chosen method, and tell the user how to continue."""
    device_of(args.device)
    targets = label_folders(args.folders, args.out)
    args.folders = [side.folder for side in args.folders]
    for folder in args.folders:
        check_out(args.out, folder)
    METHODS[args.method](args, targets)
    if len(targets) == 2:
        frames, photos = (shlex.quote(str(target)) for target in targets)
        print(f"train.epe: --frame_labels {frames} --photo_labels {photos}")
        print(f"eval.skvd: --fake-labels {frames} --real-labels {photos}")


if __name__ == "__main__":
    sys.exit(run(main, build_parser()))
