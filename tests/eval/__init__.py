"""Tests of the metrics: each against something independent of it."""
