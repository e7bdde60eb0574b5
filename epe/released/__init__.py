"""Conversion of the module names in the authors' releases to ours."""
