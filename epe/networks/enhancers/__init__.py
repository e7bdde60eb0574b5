"""Generators that enhance frames, most of them conditioned on G-buffers."""
