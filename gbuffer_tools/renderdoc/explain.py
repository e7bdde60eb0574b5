"""What is in a capture of a game that has no profile yet: passes, targets, formats, and what they seem to hold.

`python -m gbuffer_tools.extract --explain capture.rdc` prints it. Guesses come from names in the shaders and from the
numbers themselves; they are where to look first, not facts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gbuffer_tools.renderdoc import module
from gbuffer_tools.renderdoc.child_process import in_child
from gbuffer_tools.renderdoc.display import some_display
from gbuffer_tools.renderdoc.replay import Pass, Replay, initialised, opened

NAMES = (
    ("normal", r"norm"),
    ("motion", r"veloc|motion|mvec"),
    ("depth", r"depth|dtex|zbuf"),
    ("occlusion", r"ssao|ambient_?occ|occlu|\bao\b|_ao\b"),
    ("emission", r"emit|emiss|glow"),
    ("roughness, metallic or specular", r"rough|gloss|smooth|metal|spec|pbr|material"),
    ("light", r"light|irrad|radiance|ibl|shadow"),
    ("albedo", r"albedo|diff|base_?col|colou?r|alb"),
)
"""Standard buffer -> pattern, tried in order, on the names of outputs and of the samplers that read them later."""
UNIT = 0.02
"""How far the median length of unit vectors may be from 1; 8 bits per channel stay below 0.01."""
MIN_PIXELS = 64
MAX_READ_DRAWS = 4
"""Passes with up to this many draws make one picture from others; what each draw reads tells them apart."""


@dataclass(frozen=True)
class Target:
    """A texture that a pass draws into."""

    resource: int
    format: str
    size: tuple[int, int]
    output: str
    guess: str


@dataclass(frozen=True)
class PassSummary:
    """One pass of a frame.

    Attributes:
        number: counted from 0.
        draws, indexed: how many draws it has, and how many of them use indices, as meshes do.
        targets: colour targets, in the order of the shader's outputs.
        depth: format of the depth target, None for none.
        reads: name of a sampler of the last draw -> what is bound to it; of each draw if they are few.
        blocks: constant blocks of the last draw's shaders -> what they hold.
        instanced: per-instance vertex attributes of the last draw.
    """

    number: int
    draws: int
    indexed: int
    targets: tuple[Target, ...]
    depth: str | None
    reads: tuple[tuple[str, str], ...]
    blocks: tuple[tuple[str, str], ...]
    instanced: tuple[str, ...]


def explain(path: Path, patience: float) -> Iterator[str]:
    """Lines that say what a capture holds.

    Raises:
        InputError: the capture is not whole, or cannot be replayed here.
    """
    module.check_capture(path)
    with some_display():
        passes = in_child(look, path, seconds=patience, what=str(path))
    likely = likeliest(passes)
    yield f"{path}: {len(passes)} passes, {sum(p.draws for p in passes)} draws"
    for seen in passes:
        mark = "  <- looks like the G-buffer" if seen.number == likely else ""
        yield f"pass {seen.number}: {seen.draws} draws, {seen.indexed} indexed, depth {seen.depth or 'none'}{mark}"
        for slot, target in enumerate(seen.targets):
            width, height = target.size
            yield f"  target {slot}: {target.format} {width}x{height} {target.output or '?'}: {target.guess}"
        yield from (f"  reads {name}: {what}" for name, what in seen.reads)
        yield from (f"  constants {name}: {what}" for name, what in seen.blocks)
        if seen.instanced:
            yield f"  per instance: {', '.join(seen.instanced)}"
    yield "A profile says what these mean: copy gbuffer_tools/profiles/godot3.yaml; yaml_profile.py explains its keys."


def likeliest(passes: tuple[PassSummary, ...]) -> int | None:
    """Number of the pass with the most mesh draws among those with depth and two or more targets; None for none."""
    fitting = [p for p in passes if p.depth and len(p.targets) > 1 and p.indexed > 1]
    return max(fitting, key=lambda p: p.indexed).number if fitting else None


def look(path: Path) -> tuple[PassSummary, ...]:
    """The native half of `explain`; run it in a process of its own."""
    rd = module.load()
    with initialised(rd), opened(rd, path) as capture:
        made: dict[int, str] = {}
        later: dict[int, set[str]] = {}  # texture -> samplers that read it
        states = []
        for number, found in enumerate(capture.passes):
            reads: dict[str, str] = {}
            single = not 1 < len(found.draws) <= MAX_READ_DRAWS
            for draw in range(len(found.draws))[-1 if single else 0 :]:
                state = capture.at(found.draws[draw])
                for name, texture in capture.samplers(state).items():
                    later.setdefault(texture, set()).add(name)
                    reads[name if single else f"{name} (draw {draw})"] = describe(capture, texture, made)
            outputs = output_names(capture, state)
            pixels = [decoded(capture, texture) for texture in found.targets]
            states.append((found, reads, outputs, pixels, blocks(capture, state), instanced(state)))
            made |= {texture: f"target {slot} of pass {number}" for slot, texture in enumerate(found.targets)}
            made[found.depth] = f"depth of pass {number}"
        return tuple(
            PassSummary(
                number,
                len(found.draws),
                capture.describe(found).indexed,
                targets(capture, found, outputs, pixels, later),
                str(capture.textures[found.depth].format.Name()) if found.depth in capture.textures else None,
                tuple(reads.items()),
                constants,
                attributes,
            )
            for number, (found, reads, outputs, pixels, constants, attributes) in enumerate(states)
        )


def targets(
    capture: Replay,
    found: Pass,
    outputs: tuple[str, ...],
    pixels: list[npt.NDArray[np.generic] | None],
    later: dict[int, set[str]],
) -> tuple[Target, ...]:
    """A pass's colour targets, with guesses."""
    seen = []
    for slot, texture in enumerate(found.targets):
        known = capture.textures.get(texture)
        if known is None:
            continue
        values = pixels[slot]
        output = outputs[slot] if slot < len(outputs) else ""
        names = " ".join([output, *sorted(later.get(texture, ()))])
        what = guess(values, names) if values is not None else "a format that is not read"
        seen.append(Target(texture, str(known.format.Name()), (known.width, known.height), output, what))
    return tuple(seen)


def decoded(capture: Replay, texture: int) -> npt.NDArray[np.generic] | None:
    """A target's pixels, None if it is not a texture or its format is unknown."""
    try:
        return capture.pixels(texture) if texture in capture.textures else None
    except ValueError:
        return None


def guess(values: npt.NDArray[np.generic], names: str) -> str:
    """What a target seems to hold.

    Args:
        values: (H,W,C), 8-bit as integers, others float.
        names: of the output and of samplers, separated by spaces.
    """
    by_name = next((what for what, pattern in NAMES if re.search(pattern, names.lower())), "")
    drawn = values.reshape(-1, values.shape[-1])
    drawn = drawn[(drawn != drawn[0]).any(-1)].astype(np.float64)
    if len(drawn) < MIN_PIXELS:
        return f"{by_name or 'unknown'}; almost all of one value"
    scaled = drawn / 255 if values.dtype.kind == "u" else drawn
    facts = [by_numbers(scaled), f"{scaled.min():.3g} .. {scaled.max():.3g}"]
    return "; ".join(part for part in (by_name, *facts) if part)


def by_numbers(values: npt.NDArray[np.float64]) -> str:
    """What values (N,C) look like; "" if they look like nothing known."""
    finite = values[np.isfinite(values).all(-1)]
    if finite.shape[1] >= 3 and len(finite):
        for what, vectors in (("unit vectors", finite[:, :3]), ("unit vectors as n / 2 + 1/2", 2 * finite[:, :3] - 1)):
            if abs(np.median(np.linalg.norm(vectors, axis=-1)) - 1) < UNIT and vectors.std(0).max() > UNIT:
                lengths = np.abs(np.linalg.norm(vectors, axis=-1) - 1)
                if np.percentile(lengths, 75) < UNIT:
                    return what
    if len(finite) and finite.max() > 1:
        return "beyond 1: radiance, or a distance"
    return ""


def describe(capture: Replay, texture: int, made: dict[int, str]) -> str:
    """A texture that is read: which pass made it, or its format and size."""
    if texture in made:
        return made[texture]
    known = capture.textures.get(texture)
    return f"{known.format.Name()} {known.width}x{known.height}" if known else "nothing"


def output_names(capture: Replay, state: Any) -> tuple[str, ...]:
    """Names of the fragment shader's outputs, by location."""
    shader = state.GetShaderReflection(capture.rd.ShaderStage.Fragment)
    outputs = shader.outputSignature if shader is not None else []
    return tuple(o.varName for o in sorted(outputs, key=lambda o: o.regIndex))


def blocks(capture: Replay, state: Any) -> tuple[tuple[str, str], ...]:
    """Constant blocks of both shaders: how many floats each has, and its matrices, which may be the camera's."""
    found: dict[str, str] = {}
    for stage in (capture.rd.ShaderStage.Vertex, capture.rd.ShaderStage.Fragment):
        shader = state.GetShaderReflection(stage)
        for block in shader.constantBlocks if shader is not None else []:
            if block.byteSize:
                matrices = [v.name for v in block.variables if (v.type.rows, v.type.columns) == (4, 4)]
                parts = [f"{block.byteSize // 4} floats", "matrices " * bool(matrices) + ", ".join(matrices)]
                found[block.name] = "; ".join(part for part in parts if part)
    return tuple(found.items())


def instanced(state: Any) -> tuple[str, ...]:
    """Names of the vertex attributes that advance per instance."""
    return tuple(a.name for a in state.GetVertexInputs() if a.perInstance and a.name)
