"""Checks for what can be wrong with frame files, and pictures that show it."""
