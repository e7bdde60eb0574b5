"""A town, planned in plain NumPy from a seed: what stands where, how it looks, and how it moves.

World space: x east, y north, z up, metres; the road's surface is z = 0. A thing's own space: z up, and x along the
front, which faces -y; vehicles and people face +x. Time runs in ticks of 1/30 s. Angles are in radians unless a name
says degrees. Colours are linear RGB.

plan.py assembles the town from shapes/; blender/ draws it, in its own process; frames.py makes frames from it.
"""
