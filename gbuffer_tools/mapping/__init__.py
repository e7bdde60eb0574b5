"""What named channels and ids mean, and how frames are made from them."""
