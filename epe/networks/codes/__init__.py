"""Transformers over the codes of pictures: the network, and how codes are sampled and scored with it."""
