"""Networks that label each pixel of a picture."""
