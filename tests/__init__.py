"""Tests, one file per module, in the tree of the code."""
