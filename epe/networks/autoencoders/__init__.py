"""Autoencoders whose latents are codes from a codebook, and the discriminator they are trained against."""
