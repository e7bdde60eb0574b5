"""Losses and distances; those of training are scalars to be minimised, means over the batch."""
