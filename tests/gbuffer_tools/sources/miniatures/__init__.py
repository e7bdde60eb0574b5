"""Small files of each kind of renderer, made by code."""
