"""Tests of game profiles."""
