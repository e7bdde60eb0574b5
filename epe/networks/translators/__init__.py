"""Generators that read no G-buffers: translation between domains, synthesis from labels."""
