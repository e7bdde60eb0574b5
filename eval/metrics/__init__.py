"""One metric per file: arrays in, numbers out."""
