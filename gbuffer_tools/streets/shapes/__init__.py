"""Polygons of things, each in its own space: houses, vehicles, plants, people, what stands on pavements."""
