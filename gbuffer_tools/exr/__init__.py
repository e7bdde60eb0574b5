"""OpenEXR files: reading, writing, and frames in them."""
