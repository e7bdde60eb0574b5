"""Generators that are conditioned on G-buffers."""
