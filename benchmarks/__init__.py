"""Benchmarks of speed and size: `make bench`. Every figure is a ratio within one run, because machines differ."""
