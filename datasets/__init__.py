"""From files to tensors: frames with their G-buffers, photographs, label maps, matched crops.

Not Hugging Face's `datasets`: install this project editable, in an environment of its own (docs/install.md).
"""
