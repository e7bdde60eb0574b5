"""Networks that read no G-buffers: translation between domains, and synthesis from labels."""
