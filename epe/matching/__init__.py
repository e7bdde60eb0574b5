"""Which photograph looks like which part of a frame."""
