"""Inference: folding networks, running them in tiles, and counting their multiply-adds."""
