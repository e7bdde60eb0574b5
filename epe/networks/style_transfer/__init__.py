"""Photographic style transfer: autoencoders, and the whitening and colouring transform."""
