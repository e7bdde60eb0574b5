"""Autoencoders whose latents are codes from a codebook, and the discriminator that they are trained against."""
