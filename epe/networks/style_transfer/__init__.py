"""Photographic style transfer: autoencoders, whitening and colouring."""
