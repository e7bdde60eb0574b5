"""Measures on trial: what they say of pictures about which the answer is known."""
