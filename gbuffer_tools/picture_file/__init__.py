"""Picture files with all that they hold: grey, alpha, 16 bits, and what they say about themselves."""
