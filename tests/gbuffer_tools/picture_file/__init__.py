"""Tests of gbuffer_tools/picture_file."""
