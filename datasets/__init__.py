"""Reading files into tensors: frames with their G-buffers, photographs, label maps, matched crops.

This is not Hugging Face's `datasets`: install this project editable, in an environment of its own (docs/install.md).
"""
