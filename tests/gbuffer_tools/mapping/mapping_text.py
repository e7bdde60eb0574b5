"""A mapping file that has every key."""

WHOLE = r"""
image: {channels: [R, G, B], colour: srgb}
depth: {channel: d.Z, along: ray, metres: 0.01, nothing: [0, -1], beyond: 1.0e+4}
normal: {channels: [n.X, n.Y, n.Z], space: world, axes: [x, -z, y], encoding: unit}
motion: {channels: [v.X, v.Y], pixels: [1, -1], rest: 0.5}
buffers:
  albedo: {channels: [a.R, a.G, a.B]}
  x_wet: {channels: [w.V], scale: 0.5, offset: 1}
ids:
  object: {cryptomatte: View.CryptoObject}
  material: {channel: m.X}
classes:
  names: [nothing, other, tree]
  of: object
  rules: {"^Oak": tree}
  numbers: {7: tree}
  default: other
camera: {degrees: 50, centre: [4, 3], planes: [0.5, 90]}
licence: CC0-1.0
"""
