"""Losses of networks trained against a discriminator, and methods that keep discriminators in check."""
