"""Recipes that work with picture codes."""
