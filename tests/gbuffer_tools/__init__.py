"""Tests of gbuffer_tools."""
