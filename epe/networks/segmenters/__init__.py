"""Networks that label the pixels of pictures."""
