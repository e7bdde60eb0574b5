"""Losses and distances; training losses are scalars to be minimised, means over the batch."""
