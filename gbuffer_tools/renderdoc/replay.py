"""Replaying one RenderDoc capture: passes, textures, constants, and which draw made which pixel.

Everything here talks to RenderDoc's Python interface (1.24), which is untyped. A display is needed (`DISPLAY`).
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gbuffer_tools.errors import InputError, one_line
from gbuffer_tools.renderdoc import gl_calls, gl_targets, pixel_formats
from gbuffer_tools.renderdoc.gl_calls import Slot
from gbuffer_tools.renderdoc.profile import DrawPass


@dataclass(frozen=True)
class Pass:
    """Consecutive draws into the same targets: resource ids of the colour targets, of depth (0 = none), draws."""

    targets: tuple[int, ...]
    depth: int
    draws: tuple[Any, ...]


class Replay:
    """An opened capture. `rd` is RenderDoc's module, `controller` its replay controller."""

    def __init__(self, rd: Any, controller: Any) -> None:
        self.rd, self.controller = rd, controller
        self.textures = {int(t.resourceId): t for t in controller.GetTextures()}
        self.buffers = {int(b.resourceId): b for b in controller.GetBuffers()}
        self.passes = self._passes()

    def at(self, draw: Any, force: bool = True) -> Any:
        """Replay up to and including a draw; returns the pipeline's state there."""
        self.controller.SetFrameEvent(draw.eventId, force)
        return self.controller.GetPipelineState()

    def raw(self, texture: int) -> bytes:
        """The bytes of a texture's largest level, at the event replayed last."""
        found = self.textures[texture]
        return bytes(self.controller.GetTextureData(found.resourceId, self.rd.Subresource(0, 0, 0)))

    def pixels(self, texture: int) -> pixel_formats.Array:
        """A texture's largest level, decoded: (H,W,C), row 0 at the top."""
        found = self.textures[texture]
        return pixel_formats.decode(self.raw(texture), found.format.Name(), found.width, found.height)

    def describe(self, found: Pass) -> DrawPass:
        """A pass without RenderDoc's objects."""
        known = [self.textures.get(t) for t in found.targets]
        formats = tuple("unknown" if t is None else str(t.format.Name()) for t in known)
        indexed = sum(bool(d.flags & self.rd.ActionFlags.Indexed) for d in found.draws)
        return DrawPass(formats, bool(found.depth), len(found.draws), indexed)

    def colour_outputs(self) -> tuple[int, ...]:
        """Colour targets of the bound framebuffer in the order of the shader's outputs (OpenGL)."""
        bound = self.controller.GetGLPipelineState().framebuffer.drawFBO
        slots = [bound.colorAttachments[i] for i in bound.drawBuffers if i >= 0] or bound.colorAttachments
        return tuple(int(slot.resourceId) for slot in slots if int(slot.resourceId))

    def fragment_shader(self, state: Any) -> Any:
        """Reflection of the fragment shader at an event, None for none."""
        return state.GetShaderReflection(self.rd.ShaderStage.Fragment)

    def samplers(self, state: Any) -> dict[str, int]:
        """Sampler name of the fragment shader -> texture bound to it."""
        stage = self.rd.ShaderStage.Fragment
        if self.fragment_shader(state) is None:
            return {}
        bound = {
            b.bindPoint.bind: int(b.resources[0].resourceId) for b in state.GetReadOnlyResources(stage) if b.resources
        }
        named = {name: bound.get(unit, 0) for name, unit in self.units(state).items()}
        return {name: texture for name, texture in named.items() if texture in self.textures}

    def fragment_shaders(self) -> dict[int, Any]:
        """Program -> reflection of its fragment shader, for programs whose creation is in the capture; no replay."""
        stage, no_pipeline = self.rd.ShaderStage.Fragment, self.rd.ResourceId.Null()
        resources = {int(r.resourceId): r.resourceId for r in self.controller.GetResources()}
        found = {}
        for program, shader in gl_calls.attached(self.controller.GetStructuredFile().chunks):
            for entry in self.controller.GetShaderEntryPoints(resources[shader]) if shader in resources else ():
                if entry.stage == stage:
                    found[program] = self.controller.GetShader(no_pipeline, resources[shader], entry)
        return found

    def units(self, state: Any) -> dict[str, int]:
        """Sampler name of the fragment shader -> texture unit."""
        stage = self.rd.ShaderStage.Fragment
        shader = self.fragment_shader(state)
        if shader is None:
            return {}
        units = state.GetBindpointMapping(stage).readOnlyResources
        return {r.name: units[r.bindPoint].bind for r in shader.readOnlyResources}

    def attribute(self, state: Any, name: str) -> int:
        """Index of a vertex attribute by its name in the shader, -1 if the shader reads none of that name."""
        stage = self.rd.ShaderStage.Vertex
        shader = state.GetShaderReflection(stage)
        inputs = [parameter.varName for parameter in shader.inputSignature] if shader is not None else []
        if name not in inputs:
            return -1
        slots = list(state.GetBindpointMapping(stage).inputAttributes)
        return slots.index(inputs.index(name)) if inputs.index(name) in slots else -1

    def constants(self, state: Any, block: str, stage: Any) -> npt.NDArray[np.float32] | None:
        """A uniform block as floats, None if the shader has none of that name."""
        shader = state.GetShaderReflection(stage)
        for index, found in enumerate(shader.constantBlocks if shader else ()):
            if found.name == block:
                bound = state.GetConstantBuffer(stage, index, 0)
                data = self.controller.GetBufferData(bound.resourceId, bound.byteOffset, found.byteSize)
                return np.frombuffer(bytes(data), "<f4")
        return None

    def matrix(self, state: Any, block: str, at: int | str) -> npt.NDArray[np.float64]:
        """A (4,4) from a constant block of the vertex shader, by its first byte or its name; std140 stores columns.

        Raises:
            ValueError: there is no such block, or nothing of that size there.
        """
        stage = self.rd.ShaderStage.Vertex
        floats = self.constants(state, block, stage)
        if floats is None:
            raise ValueError(f"the G-buffer pass has no constant block {block}")
        if isinstance(at, str):
            shader = state.GetShaderReflection(stage)
            members = [v for b in shader.constantBlocks if b.name == block for v in b.variables]
            places = [int(v.byteOffset) for v in members if v.name == at]
            if not places:
                raise ValueError(f"{block} has no {at}")
            at = places[0]
        if at % 4 or at + 64 > floats.nbytes:
            raise ValueError(f"{block} has no matrix at byte {at} of {floats.nbytes}")
        return floats[at // 4 : at // 4 + 16].astype(np.float64).reshape(4, 4).T

    def origins(self, state: Any, draw: Any, attribute: str) -> npt.NDArray[np.float32]:
        """(instances,3) places in the world from a per-instance vertex attribute; (0,3) if it is absent."""
        buffers = state.GetVBuffers()
        for found in state.GetVertexInputs():
            if attribute and found.name == attribute and found.perInstance:
                source = buffers[found.vertexBuffer]
                first = source.byteOffset + found.byteOffset
                return self.instances(Slot(int(source.resourceId), source.byteStride, first), draw)
        return np.zeros((0, 3), np.float32)

    def instances(self, slot: Slot | None, draw: Any) -> npt.NDArray[np.float32]:
        """(instances,3) floats that a draw's instances read from a slot of its vertex array; (0,3) for none."""
        source = self.buffers.get(slot.buffer) if slot else None
        if slot is None or source is None or slot.stride < 12:
            return np.zeros((0, 3), np.float32)
        start, length = slot.offset + draw.instanceOffset * slot.stride, draw.numInstances * slot.stride
        data = bytes(self.controller.GetBufferData(source.resourceId, start, length))
        rows = [data[i : i + 12] for i in range(0, len(data), slot.stride)]
        return np.array([np.frombuffer(r, "<f4") for r in rows if len(r) == 12], np.float32).reshape(-1, 3)

    def _passes(self) -> list[Pass]:
        found: list[Pass] = []
        into = gl_targets.targets(self.controller.GetStructuredFile().chunks)
        for action in self._actions(self.controller.GetRootActions()):
            if not action.flags & self.rd.ActionFlags.Drawcall:
                continue
            outputs = [int(o) for o in action.outputs]
            where = into.get(int(action.events[-1].chunkIndex))
            slots = where.slots if where and where.slots is not None else range(len(outputs))
            targets = tuple(outputs[slot] for slot in slots if slot < len(outputs) and outputs[slot])
            depth = int(action.depthOut)
            if found and (found[-1].targets, found[-1].depth) == (targets, depth):
                found[-1] = Pass(targets, depth, (*found[-1].draws, action))
            else:
                found.append(Pass(targets, depth, (action,)))
        return found

    def _actions(self, actions: Any) -> Iterator[Any]:
        for action in actions:
            yield action
            yield from self._actions(action.children)


def digest(data: bytes) -> int:
    """First 32 bits of the SHA-256, never 0, which means "nothing" in id maps."""
    return int.from_bytes(hashlib.sha256(data).digest()[:4], "big") or 1


def shader_digest(shader: Any) -> int:
    """First 32 bits of the SHA-256 of a shader's source, by its reflection: the same in every run."""
    files = shader.debugInfo.files if shader is not None else ()
    # Comments contain paths on the machine that captured.
    source = "\n".join(line for line in files[0].contents.splitlines() if not line.startswith("//")) if files else ""
    return digest(source.encode())


@contextmanager
def initialised(rd: Any) -> Iterator[None]:
    """RenderDoc's replay, started and ended; only once per process, as it crashes the second time."""
    rd.InitialiseReplay(rd.GlobalEnvironment(), [])
    try:
        yield
    finally:
        rd.ShutdownReplay()


@contextmanager
def opened(rd: Any, path: Path, name: Path | None = None) -> Iterator[Replay]:
    """Open a capture for replay.

    Args:
        rd: RenderDoc's module, initialised.
        path: the capture.
        name: what errors call it, if `path` is a copy.

    Raises:
        InputError: RenderDoc cannot read or replay it here.
    """
    name = name or path
    file = rd.OpenCaptureFile()
    controller = None
    try:
        result = file.OpenFile(str(path), "", None)
        if result != rd.ResultCode.Succeeded:
            raise InputError(f"{name}: RenderDoc cannot read it ({_why(result)}); capture the frame again")
        result, controller = file.OpenCapture(rd.ReplayOptions(), None)
        if controller is None:
            raise InputError(f"{name}: RenderDoc cannot replay it ({_why(result)}); is DISPLAY alive?")
        interface = controller.GetAPIProperties().pipelineType
        if interface != rd.GraphicsAPI.OpenGL:
            raise InputError(f"{name}: drawn with {interface.name}, wanted OpenGL; choose it in the game's settings")
        yield Replay(rd, controller)
    finally:
        if controller is not None:
            controller.Shutdown()
        file.Shutdown()


def _why(result: Any) -> str:
    return one_line(result.Message() if hasattr(result, "Message") else result)


@contextmanager
def shadows_muted(replay: Replay, before: int) -> Iterator[None]:
    """Skip the rasterisation of depth-only passes that come before a pass.

    Asking for the state after each draw replays the frame from its start each time. The G-buffer does not read the
    shadow maps, so their vertex shaders are replaced by ones that place everything outside the clip volume.
    """
    rd, controller = replay.rd, replay.controller
    replaced: dict[int, tuple[Any, Any]] = {}
    try:
        for found in replay.passes[:before]:
            # The G-buffer's own depth may be drawn beforehand; that is not a shadow map.
            for draw in found.draws if not found.targets and found.depth != replay.passes[before].depth else ():
                state = replay.at(draw, force=False)
                shader = state.GetShader(rd.ShaderStage.Vertex)
                if int(shader) in replaced or not int(shader):
                    continue
                muted = _muted(rd, controller, state.GetShaderReflection(rd.ShaderStage.Vertex))
                if muted is not None:
                    controller.ReplaceResource(shader, muted)
                replaced[int(shader)] = (shader, muted)
        yield
    finally:
        for shader, muted in replaced.values():
            if muted is not None:
                controller.RemoveReplacement(shader)
                controller.FreeTargetResource(muted)


def _muted(rd: Any, controller: Any, shader: Any) -> Any | None:
    """A vertex shader that clips everything, None if it cannot be built (then the pass is just slow)."""
    if shader is None or not shader.debugInfo.files:
        return None
    source = shader.debugInfo.files[0].contents.replace("void main", "void unmuted_main", 1)
    source += "\nvoid main() { unmuted_main(); gl_Position = vec4(2.0, 2.0, 2.0, 1.0); }\n"
    flags = rd.ShaderCompileFlags()
    built, _ = controller.BuildTargetShader("main", rd.ShaderEncoding.GLSL, source.encode(), flags, shader.stage)
    return built if int(built) else None
