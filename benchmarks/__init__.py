"""What is fast and small, measured: `make bench`. Every figure is a ratio within one run; machines differ."""
