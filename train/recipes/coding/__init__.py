"""Recipes of what works on codes of pictures."""
