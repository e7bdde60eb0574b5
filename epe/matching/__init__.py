"""Matching: find the photographs that resemble each part of a frame."""
