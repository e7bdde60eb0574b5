"""The commands and their options are frozen: scripts rely on them. A change here is a change of the contract."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMON = {"--help", "--debug"}
# What train.epe and train.realformer unpaired have in common.
EPE = {
    "--config", "--print_config",
    # Data.
    "--frames", "--photos", "--photo_filter", "--matches", "--frame_labels", "--photo_labels", "--out", "--licence",
    # Networks.
    "--features", "--streams", "--sky_features", "--drop_buffers", "--withheld", "--preset", "--initial",
    "--trainable", "--taps", "--critic_layers", "--critic_width", "--vgg",
    # Optimisation.
    "--crop", "--batch", "--accumulate", "--steps", "--rate", "--critic_rate", "--beta1", "--beta2",
    "--weight_decay",
    "--decay_every", "--decay_factor", "--clip", "--perceptual_weight", "--perceptual_layers",
    "--class_colour_weight", "--class_colour_side", "--penalty_weight", "--penalty_every",
    "--penalty_input", "--penalty_of", "--adaptive_target", "--ema", "--precision",
    "--critic_clip", "--clip_norm", "--critic_labels", "--diff_augment", "--adaptive_start",
    "--checkpoint_activations", "--compile",
    # The machine, and when what is done.
    "--device", "--workers", "--seed", "--log_every", "--preview_every", "--save_every",
}  # fmt: skip
# What runs of one process have in common.
DESCENT = {
    "--config", "--print_config", "--out", "--licence", "--crop", "--batch", "--steps", "--rate", "--constant",
    "--beta1", "--beta2", "--device", "--workers", "--seed", "--log_every", "--preview_every", "--save_every",
}  # fmt: skip
SOLO = DESCENT | {"--critic_rate"}
# Command line up to `--help` -> its long options, those of `COMMON` aside.
FROZEN: dict[str, set[str]] = {
    "gbuffer_tools.capture": {
        "--count", "--first", "--out", "--patience", "--profile", "--quality", "--size", "--step", "--textures",
        "--track",
    },
    "gbuffer_tools.check": {"--jobs", "--json", "--scheduler"},
    "gbuffer_tools.export": {"--format", "--frame", "--out", "--overwrite"},
    "gbuffer_tools.extract": {
        "--carla", "--explain", "--jobs", "--layer", "--licence", "--mapping", "--out", "--patience", "--per-file",
        "--profile",
        "--scheduler", "--source",
    },
    "gbuffer_tools.inspect": {"--frame", "--sheet"},
    "gbuffer_tools.pairs": {
        "--count", "--discard", "--first", "--high", "--jobs", "--licence", "--low", "--out", "--patience", "--profile",
        "--samples", "--size", "--step", "--textures", "--track",
    },
    "gbuffer_tools.town": {
        "--blender", "--every", "--frames", "--jobs", "--out", "--per-town", "--samples", "--seed", "--size",
    },
    "datasets.degrade": {"--degradation", "--out", "--overwrite", "--resume", "--scale", "--seed"},
    "datasets.label": {
        "--classes", "--clusters", "--count", "--method", "--out", "--seed", "--segmenter", "--vgg",
    },
    "datasets.match": {
        "--balance", "--crops", "--features", "--frames", "--index", "--jobs", "--least", "--neighbours", "--out",
        "--per-photo", "--photos", "--seed", "--statistics", "--vgg",
    },
    "train.epe": EPE,
    "train.realformer paired": DESCENT
    | {
        "--frames", "--targets", "--features", "--streams", "--preset", "--initial", "--trainable", "--vgg",
        "--l1_weight", "--perceptual_weight", "--style_weight", "--variation_weight", "--ema", "--precision",
    },
    "train.realformer unpaired": EPE | {"--l1_weight", "--style_weight", "--variation_weight", "--sequence"},
    "train.cut": SOLO
    | {"--frames", "--photos", "--preset", "--critic_width", "--patches", "--contrast_weight", "--ema"},
    "train.spade": SOLO
    | {
        "--photos", "--photo_labels", "--height", "--preset", "--critic_width", "--matching_weight",
        "--perceptual_weight", "--vgg",
    },
    "train.segmenter": DESCENT
    | {
        "--images", "--labels", "--classes", "--validation", "--validation_labels", "--height", "--width", "--zoom",
        "--jitter", "--balance", "--precision",
    },
    "train.upscaler": DESCENT
    | {
        "--images", "--small", "--held_out", "--degradation", "--guides", "--preset", "--initial", "--trainable",
        "--critic", "--critic_rate", "--sharpen", "--pixels", "--pixel_weight", "--perceptual_weight", "--gan_weight",
        "--gan_rule", "--vgg", "--ema", "--precision",
    },
    "train.vqgan": DESCENT
    | {
        "--images", "--validation", "--content", "--labels", "--validation_labels", "--classes", "--features",
        "--height", "--preset", "--codes", "--code_width", "--unit_codes", "--initial", "--perceptual_weight",
        "--codebook_weight", "--beta", "--legacy_beta", "--gan_weight", "--gan_start", "--critic_warmup",
        "--critic_rate", "--average_codes", "--kmeans", "--restart_below", "--vgg", "--precision",
    },
    "train.codes": DESCENT
    | {
        "--images", "--autoencoder", "--condition", "--condition_autoencoder", "--labels", "--classes", "--validation",
        "--validation_labels", "--height", "--variants", "--initial", "--layers", "--width", "--heads", "--unmasked",
        "--dropout", "--keep", "--weight_decay", "--precision",
    },
    "train.style": {
        "--config", "--print_config", "--method", "--photos", "--out", "--licence", "--unpooling", "--vgg", "--height",
        "--crop", "--batch", "--steps", "--rate", "--feature_weight", "--device", "--seed", "--log_every",
        "--preview_every", "--save_every",
    },
    "eval.baselines": set(),
    "eval.baselines cut": {"--model", "--out", "--overwrite", "--source"},
    "eval.baselines spade": {"--labels", "--model", "--out", "--overwrite", "--source"},
    "eval.baselines grade": {"--out", "--overwrite", "--seed", "--source", "--target"},
    "eval.baselines reinhard": {"--out", "--overwrite", "--source", "--target"},
    "eval.baselines bicubic": {"--out", "--overwrite", "--scale", "--source"},
    "eval.baselines soften": {"--out", "--overwrite", "--seed", "--source"},
    "eval.baselines histogram": {"--out", "--overwrite", "--source", "--target"},
    "eval.baselines idt": {"--out", "--overwrite", "--seed", "--source", "--target"},
    "eval.baselines transport": {"--out", "--overwrite", "--source", "--target"},
    "eval.baselines photowct": {
        "--device", "--model", "--out", "--overwrite", "--source", "--source-labels", "--target", "--target-labels",
    },
    "eval.baselines wct2": {
        "--at", "--device", "--model", "--out", "--overwrite", "--source", "--source-labels", "--target",
        "--target-labels",
    },
    "eval.report": {"--out"},
    "eval.content": {"--device", "--fake", "--out", "--real", "--resamples", "--seed", "--truth"},
    "eval.control": {"--depth", "--depth-multiple", "--fake", "--frames", "--out", "--resamples", "--seed"},
    "eval.segmentation": {"--classes", "--fake", "--frames", "--out", "--resamples", "--seed", "--segmenter"},
    "eval.sets": {
        "--cache", "--clip", "--device", "--fake", "--fake-labels", "--inception", "--out", "--photo-filter", "--real",
        "--real-labels", "--resamples", "--seed", "--style", "--vgg",
    },
    "eval.temporal": {"--fake", "--frames", "--motion", "--out", "--resamples", "--seed"},
    "eval.skvd": {
        "--batch", "--candidates", "--class-groups", "--crops", "--device", "--fake", "--fake-labels", "--floor",
        "--floor-labels", "--memory", "--out", "--per-class", "--photo-filter", "--pooling", "--precision",
        "--protocol", "--real", "--real-labels", "--resamples", "--scaling", "--scratch", "--seed", "--vgg",
    },
    "eval.trial": {
        "--cache", "--candidates", "--clip", "--crops", "--degradations", "--degrade", "--device", "--height",
        "--inception", "--labels", "--most-photos", "--most-pictures", "--order", "--out", "--photo-filter", "--photos",
        "--resamples", "--seed", "--subsets", "--vgg",
    },
    "app.assets": set(),
    "app.assets fetch": {"--dir", "--file"},
    "app.assets list": {"--dir"},
    "app.atari": {"--every", "--frames", "--game", "--out", "--seed"},
    "app.convert": {"--description", "--heads", "--licence", "--out", "--overwrite", "--part"},
    "app.enhance": {
        "--backend", "--colour-only", "--device", "--exr", "--independent-tiles", "--linear", "--mask", "--out",
        "--guides", "--overwrite", "--precision", "--prior", "--redraw", "--resume", "--seed", "--strength", "--style",
        "--tile", "--upscale", "--upscale-first", "--upscaler",
    },
    "app.upscale": {
        "--circular", "--device", "--format", "--guides", "--out", "--overwrite", "--precision", "--resume", "--tile",
    },
    "app.compare": {"--key", "--most", "--out", "--overwrite"},
    "app.export": {"--onnx", "--overwrite"},
    "app.photographs": {"--out"},
    "app.models": {"--json", "--size"},
    "app.sample": {
        "--autoencoder", "--batch", "--classes", "--complete", "--condition", "--condition-autoencoder", "--count",
        "--device", "--height", "--label", "--mask", "--out", "--overwrite", "--precision", "--seed", "--size",
        "--step", "--temperature", "--top-k", "--top-p",
    },
}  # fmt: skip
# `--debug` belongs to the command, not to its parts.
PARTS = {line for line in FROZEN if " " in line and not line.startswith("train.")}


def start(monkeypatch: pytest.MonkeyPatch, line: str, *more: str) -> int | str | None:
    """Run `python -m LINE MORE…` in this process, through the file's last lines; its exit code."""
    module, *words = line.split()
    monkeypatch.setattr(sys, "argv", [module, *words, *more])
    monkeypatch.setenv("COLUMNS", "100")
    # Otherwise runpy warns of a module that another test has imported.
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(SystemExit) as caught:
        runpy.run_module(module, run_name="__main__", alter_sys=False)
    return caught.value.code


def options(text: str) -> set[str]:
    """Long options that a help text lists; those that its prose mentions stand further right."""
    return {name for line in text.splitlines() for name in re.findall(r"^  (?:-\w, )?(--[a-z][\w-]*)", line)}


@pytest.mark.parametrize("line", FROZEN)
def test_help_lists_exactly_the_frozen_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    assert start(monkeypatch, line, "--help") == 0
    found = options(capsys.readouterr().out)
    assert found == FROZEN[line] | (COMMON - {"--debug"} if line in PARTS else COMMON)


@pytest.mark.parametrize("line", FROZEN)
def test_an_unknown_option_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    assert start(monkeypatch, line, "--no-such-option") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    # argparse prints its usage before the reason; a run's options would fill a screen, so there it is one line.
    assert printed.err.splitlines()[-1].startswith(f"python -m {line.split()[0]}")
    assert "Traceback" not in printed.err
    assert not line.startswith("train.") or len(printed.err.splitlines()) == 1


def test_every_command_is_frozen() -> None:
    """A file that can be started is in the list above."""
    rooms = ("gbuffer_tools", "epe", "datasets", "eval", "train", "app")
    paths = [path.relative_to(ROOT) for room in rooms for path in (ROOT / room).rglob("*.py")]
    found = {
        ".".join(path.with_suffix("").parts)
        for path in paths
        if re.search(r"sys\.exit\((run\(main, build_parser\(\)\)|main\(\))\)", (ROOT / path).read_text("utf-8"))
    }
    assert found == {line.split()[0] for line in FROZEN}


def test_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "gbuffer_tools.inspect", "no-such-file.h5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("python -m gbuffer_tools.inspect: no-such-file.h5: ")
