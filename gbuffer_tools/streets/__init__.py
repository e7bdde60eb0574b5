"""A town, planned in plain NumPy from a seed: what stands where, how it looks, and how it moves.

World space: x east, y north, z up, metres; the road's surface is z = 0. Things' own space: z up, and x along the front,
which faces -y; vehicles and people face +x. Time runs in ticks of 1/30 s. Angles are in radians unless a name says
degrees. Colours are linear RGB.

plan.py puts the town together out of shapes/; blender/ draws it, in a process of its own; frames.py makes frames of it.
"""
