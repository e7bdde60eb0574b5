"""Running networks: folded, in tiles, with their multiply-adds counted."""
