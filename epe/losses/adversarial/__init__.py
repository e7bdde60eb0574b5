"""Losses of networks that play against a discriminator, and what keeps discriminators in check."""
