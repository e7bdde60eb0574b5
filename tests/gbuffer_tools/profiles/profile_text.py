"""The profile of a made-up game."""

TEXT = """
name: mine
source: My Game 1
targets: {albedo: R8G8B8A8_UNORM, normal: R16G16B16A16_FLOAT}
camera: {block: Camera, view: {name: world_to_view}, projection: {byte: 64}}
surfaces: albedo_map
finished: {draw: 2, samplers: [hdr]}
later: {samplers: [ssao, lit]}
normal: {channels: [normal.R, normal.G, normal.B], space: world}
buffers:
  albedo: {channels: [albedo.R, albedo.G, albedo.B]}
  roughness: {channels: [albedo.A], scale: -1, offset: 1}
  occlusion: {channels: [ssao.R]}
  x_wet: {channels: [normal.A], scale: 0.5}
classes:
  names: [sky, other, road]
  rules: {"asphalt": road}
images: {folder: pictures}
note: no metal
"""
