"""One metric a file: arrays in, numbers out."""
