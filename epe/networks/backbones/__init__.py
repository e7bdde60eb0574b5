"""Frozen networks that provide features: VGG16, Inception v3, CLIP."""
