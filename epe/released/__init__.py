"""Conversion of module names in the authors' releases to ours."""
