"""What is fuzzed: every reader of files that somebody else wrote, with small whole files of its kind."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import h5py
import numpy as np
from PIL import Image, ImageCms

from gbuffer_tools import check, geometry
from gbuffer_tools.errors import InputError
from gbuffer_tools.exr import reader as exr
from gbuffer_tools.exr.mapped_source import ExrSource
from gbuffer_tools.io import arrays, images
from gbuffer_tools.io.folders import named
from gbuffer_tools.io.images import write_png
from gbuffer_tools.mapping import schema
from gbuffer_tools.picture_file import reader as picture_reader
from gbuffer_tools.pipeline.make_frames import make_file, names_beside
from gbuffer_tools.pipeline.plan import Work, check_header
from gbuffer_tools.profiles.yaml_profile import read_profile
from gbuffer_tools.renderdoc.module import check_capture
from gbuffer_tools.schema import Shard, write
from gbuffer_tools.sources import SOURCES
from gbuffer_tools.sources.classes.taxonomies import CAMVID_ORIGINAL
from tests.gbuffer_tools import captures as capture_files
from tests.gbuffer_tools import made_exr
from tests.gbuffer_tools.fuzz import exr_seeds
from tests.gbuffer_tools.fuzz.exr_seeds import MAPPING, SIZE
from tests.gbuffer_tools.made import HEADER, frame
from tests.gbuffer_tools.mapping.mapping_text import WHOLE
from tests.gbuffer_tools.pictures import palette_png, picture
from tests.gbuffer_tools.profiles.profile_text import TEXT
from tests.gbuffer_tools.sources.miniatures import blenderproc as blenderproc_files
from tests.gbuffer_tools.sources.miniatures import carla as carla_files
from tests.gbuffer_tools.sources.miniatures import epe as epe_files
from tests.gbuffer_tools.sources.miniatures import hypersim as hypersim_files
from tests.gbuffer_tools.sources.miniatures import replicator as replicator_files
from tests.gbuffer_tools.sources.miniatures import unity as unity_files
from tests.gbuffer_tools.sources.miniatures import unreal as unreal_files

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 19, SIZE, np.uint8)


@dataclass(frozen=True)
class Reader:
    """A way to read a folder.

    Attributes:
        name: for the command line.
        seeds: each writes whole files into an empty folder.
        read: reads all files of such a folder; raises `InputError` where it refuses.
        seconds: of the processor that it may take for it; other work on the machine does not count.
    """

    name: str
    seeds: tuple[Callable[[Path], object], ...]
    read: Callable[[Path], object]
    seconds: float = 5


class WrongRefusalError(Exception):
    """A source has refused files that are not of its kind."""


# Single readers: each file of the folder.


def each_file(read: Callable[[Path], object], folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        read(path)


def read_frames(path: Path) -> None:
    with Shard(path) as shard:
        for i in range(len(shard)):
            shard.frame(i)


def read_check(path: Path) -> None:
    """Finds, instead of refusing."""
    _, findings = check.check(path)
    if any(len(finding.what.splitlines()) != 1 for finding in findings):
        raise AssertionError(findings)


def read_npz(path: Path) -> None:
    headers = arrays.npz_headers(path)
    arrays.read_npz(path, {name: (dtype.kind, len(shape)) for name, (dtype, shape) in headers.items()})


def read_picture(path: Path) -> None:
    images.read_pixels(path)
    images.read_image(path)
    picture_reader.read_picture(path).notes.exif_of(2, 3)


# Seeds of these.


def frame_files(folder: Path) -> None:
    write(folder / "two.h5", [frame("a", 1, SIZE), frame("b", 2, SIZE)], HEADER)


def frame_file_of_tiles(folder: Path) -> None:
    write(folder / "tiles.h5", [frame("a", 1, (3, 140))], HEADER)


def npz_files(folder: Path) -> None:
    np.savez(folder / "a.npz", data=RNG.normal(size=(*SIZE, 3)), names=np.arange(5))
    np.savez_compressed(folder / "b.npz", arr_0=np.zeros((*SIZE, 18), np.uint8))


def npy_files(folder: Path) -> None:
    np.save(folder / "a.npy", RNG.normal(size=(*SIZE, 4)).astype(np.float32))
    np.save(folder / "b.npy", np.asfortranarray(RNG.integers(0, 9, SIZE)))


def image_files(folder: Path) -> None:
    rgb = picture(0, SIZE)
    write_png(folder / "rgb.png", rgb)
    cv2.imwrite(str(folder / "deep.png"), rgb.astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "alpha.png"), np.dstack([rgb, rgb[..., :1]]))
    for bits in (1, 4, 8):
        (folder / f"palette{bits}.png").write_bytes(palette_png(LABELS & (2**bits - 1), bits))
    for suffix in ("jpg", "webp", "bmp", "tif"):
        cv2.imwrite(str(folder / f"rgb.{suffix}"), rgb)


def image_files_with_words(folder: Path) -> None:
    """Of what files say about their pixels: how they lie, their colours, their transparency."""
    exif = Image.Exif()
    exif[0x112], exif[0x10F], exif[0x11A] = 6, "Camera", 72.5
    exif.get_ifd(0x8769).update({0xA002: 7, 0xA003: 5, 0x829A: 0.25, 0x927C: b"maker's own", 0xA005: {1: "R98"}})
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 30.0, 0.25)})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rgb = Image.fromarray(picture(0, SIZE))
    for suffix in ("png", "jpg", "webp", "tif"):
        rgb.save(folder / f"rgb.{suffix}", exif=exif, icc_profile=profile, xmp=b'<x tiff:Orientation="6"/>')
        rgb.convert("LA" if suffix == "png" else "CMYK" if suffix == "jpg" else "RGBA").save(folder / f"other.{suffix}")
    rgb.save(folder / "packed.tif", compression="tiff_lzw")
    cv2.imwrite(str(folder / "deep.tif"), picture(0, SIZE).astype(np.uint16) * 257)


def mapping_files(folder: Path) -> None:
    (folder / "a.yaml").write_text(WHOLE)


def profile_files(folder: Path) -> None:
    (folder / "a.yaml").write_text(TEXT)


def captures(folder: Path) -> None:
    (folder / "town_frame60.rdc").write_bytes(capture_files.made())


def exr_files(folder: Path) -> None:
    pixels = {"R": RNG.normal(size=SIZE), "G": np.zeros(SIZE), "B": np.ones(SIZE), "Z": RNG.random(SIZE) + 1}
    kinds = {"R": np.float16, "G": np.float32, "B": np.float16, "Z": np.float32}
    for how in ("NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "DWAA"):
        channels = {name: values.astype(kinds[name]) for name, values in pixels.items()}
        made_exr.write_exr(folder / f"{how}.exr", channels, how, comments="a note")


# Seeds of sources.


def plain_images(folder: Path) -> None:
    write_png(folder / "walk" / "1.png", picture(1, SIZE))
    cv2.imwrite(str(folder / "walk" / "2.jpg"), picture(2, SIZE))


def playing_for_data(folder: Path) -> None:
    write_png(folder / "images" / "00001.png", picture(1, SIZE))
    (folder / "labels").mkdir()
    (folder / "labels" / "00001.png").write_bytes(palette_png(LABELS))


def cityscapes(folder: Path) -> None:
    write_png(folder / "leftImg8bit" / "bonn" / "bonn_0_leftImg8bit.png", picture(0, SIZE))
    write_png(folder / "gtFine" / "bonn" / "bonn_0_gtFine_labelIds.png", LABELS)


def camvid(folder: Path) -> None:
    write_png(folder / "train" / "0001TP_006690.png", picture(0, SIZE))
    write_png(folder / "trainannot" / "0001TP_006690.png", LABELS % 12)


def camvid_original(folder: Path) -> None:
    write_png(folder / "701_StillsRaw_full" / "0016E5_00390.png", picture(1, SIZE))
    colours = np.array(CAMVID_ORIGINAL.colours, np.uint8)[LABELS % 32]
    write_png(folder / "LabeledApproved_full" / "0016E5_00390_L.png", colours)


def fake_lists(folder: Path) -> None:
    for i in (1, 2):
        write_png(folder / f"img/{i}.png", picture(i, SIZE))
        write_png(folder / f"robust/{i}.png", epe_files.ROBUST)
        write_png(folder / f"gt/{i}.png", epe_files.TRUTH)
        (folder / "gbuf").mkdir(exist_ok=True)
        np.savez_compressed(folder / f"gbuf/{i}.npz", data=epe_files.FAKE)
    epe_files.write_list(folder, *(tuple(name.replace("1", str(i)) for name in epe_files.FILES) for i in (1, 2)))


def real_lists(folder: Path) -> None:
    fake_lists(folder)
    masks = RNG.random((*SIZE, 12)).astype(np.float32)
    for i in (1, 2):
        np.savez(folder / f"gbuf/{i}.npz", img=picture(5, SIZE), gbuffers=epe_files.REAL, shader=masks)


def carla(archive: dict[str, np.ndarray], folder: Path) -> None:
    root = folder / "Town"
    write_png(root / "Frames" / "FinalColor-0000012.png", picture(12, SIZE))
    write_png(root / "SemanticSegmentation" / "SemanticSegmentation-0000012.png", carla_files.semantic(LABELS))
    carla_files.save(root / "GBuffers" / "GBuffer-0000012.npz", **archive)


def carla_images(folder: Path) -> None:
    root = folder / "Town"
    write_png(root / "Frames" / "FinalColor-0000012.png", picture(12, SIZE))
    carla_files.save(root / "SemanticSegmentation" / "SemanticSegmentation-0000012.npz", arr_0=np.ones((*SIZE, 12)))
    for name, values in carla_files.NAMED.items():
        write_png(root / f"{name}/000012.png", values)


def containers(folder: Path) -> None:
    blenderproc_files.write(folder / "0.hdf5", blenderproc_files.datasets())


def replicator(own: bool, folder: Path) -> None:
    replicator_files.write(folder / "_out", own=own)


def replicator_own(folder: Path) -> None:
    """One frame whose colours a table names, and one without."""
    replicator_files.write_own(folder / "named")
    table = {str(tuple(map(int, colour))): {"class": f"c{i}"} for i, colour in enumerate(replicator_files.COLOURS)}
    (folder / "named" / "semantic_0.json").write_text(json.dumps(table))
    replicator_files.write_own(folder / "named", 1)


def replicator_poses(folder: Path) -> None:
    replicator_files.write_pose(folder / "_out", "left_000000")


def hypersim(folder: Path) -> None:
    hypersim_files.write(folder / "ai_001_002")
    lens = geometry.uv_rays(60, hypersim_files.SIZE)
    hypersim_files.write_lenses(folder / "metadata_camera_parameters.csv", "ai_001_002", lens)


def unity(folder: Path) -> None:
    unity_files.write(folder / "solo", 1)
    unity_files.write_step(folder / "solo", 1, "Range", named=False)


def unreal_shots(folder: Path) -> None:
    unreal_files.write(folder / "Windows", unreal_files.SHOTS[0])


def unreal_hdr(folder: Path) -> None:
    unreal_files.write_hdr(folder / "Windows", unreal_files.SHOTS[0])


def carla_sensors(folder: Path) -> None:
    carla_images(folder)
    write_png(folder / "Town" / "Normals" / "0000012.png", picture(3, SIZE))


def carla2real_lists(folder: Path) -> None:
    for role, name in (("Frames", "a"), ("Robust", "a")):
        write_png(folder / role / f"{name}.png", picture(1, SIZE) if role == "Frames" else epe_files.ROBUST)
    carla_files.save(folder / "GBuffers" / "a.npz", arr_0=carla_files.STACK)
    carla_files.save(folder / "Masks" / "a.npz", arr_0=np.ones((*SIZE, 12)))
    epe_files.write_list(folder, ("Frames\\a.png", "Robust\\a.png", "GBuffers\\a.npz", "Masks\\a.npz"))


def containers_of_others(folder: Path) -> None:
    """Big-endian numbers, and texts of variable length."""
    found = blenderproc_files.datasets()
    depth = np.asarray(found["depth"]).astype(">f4")
    text = found.pop("instance_attribute_maps")
    blenderproc_files.write(folder / "0.hdf5", found | {"depth": depth})
    with h5py.File(folder / "0.hdf5", "a") as file:
        file["instance_attribute_maps"] = text.decode()


def extract(name: str, folder: Path) -> None:
    """As the command: sources before this one look at the files and must not refuse them, then this one reads.

    What is read can be written, and read again.
    """
    source = SOURCES[name]
    for other in SOURCES.values():
        try:
            jobs = other.find(named(folder))
        except InputError as error:
            if other is not source:
                raise WrongRefusalError(f"{other.name}: {error}") from error
            raise
        if other is source:
            break
    if isinstance(source, ExrSource) and (folder / MAPPING).exists():
        source = replace(source, mapping=schema.read_mapping(folder / MAPPING))
    if not jobs:
        raise InputError("nothing to extract")
    info = source.shard_info(jobs)
    if source.name == "renderdoc":  # replaying is native code in a process of its own, and takes seconds
        return
    work = Work(source, folder.parent / "written.h5", info, tuple(jobs))
    for path in (work.path, names_beside(work.path)):
        path.unlink(missing_ok=True)
    check_header(work.header, folder)
    refused = [outcome.line for outcome in make_file(work) if outcome.refused]
    if refused:
        raise InputError(refused[0])
    read_frames(work.path)


SEEDS: dict[str, tuple[Callable[[Path], object], ...]] = {
    "renderdoc": (captures,),
    "replicator": (partial(replicator, False), partial(replicator, True), replicator_own, replicator_poses),
    "hypersim": (hypersim,),
    "unity": (unity,),
    "blenderproc": (containers, containers_of_others),
    "carla": (partial(carla, {"arr_0": carla_files.STACK}), partial(carla, carla_files.NAMED), carla_sensors),
    "epe": (fake_lists, real_lists, carla2real_lists),
    "unreal": (unreal_shots, unreal_hdr),
    "exr_blender": (exr_seeds.blender, exr_seeds.blender_layers),
    "exr_mitsuba": (exr_seeds.mitsuba,),
    "exr_unreal": (exr_seeds.unreal,),
    "labelled": (playing_for_data, cityscapes, camvid, camvid_original),
    "exr": (exr_seeds.plain_exr, exr_seeds.mapped_exr, exr_seeds.stereo_exr),
    "images": (plain_images,),
}

PICTURES = image_files, image_files_with_words, exr_seeds.image_files_of_other_colours
READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        Reader("frame files", (frame_files, frame_file_of_tiles), partial(each_file, read_frames)),
        Reader("check", (frame_files, frame_file_of_tiles), partial(each_file, read_check)),
        Reader("npz", (npz_files,), partial(each_file, read_npz)),
        Reader("npy", (npy_files,), partial(each_file, partial(arrays.read_npy, kinds="fiu", axes=(2, 3)))),
        Reader("pictures", PICTURES, partial(each_file, read_picture)),
        Reader("mapping", (mapping_files,), partial(each_file, schema.read_mapping)),
        Reader("profile", (profile_files,), partial(each_file, read_profile)),
        Reader("rdc", (captures,), partial(each_file, check_capture)),
        Reader("OpenEXR", (exr_files,), partial(each_file, exr.read)),
        *(Reader(f"source {name}", SEEDS[name], partial(extract, name)) for name in SOURCES if name in SEEDS),
    )
}


def write_seed(reader: Reader, which: int, folder: Path) -> dict[str, bytes]:
    """Write a seed into a folder, which is emptied first; its files by their path in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    reader.seeds[which](folder)
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
