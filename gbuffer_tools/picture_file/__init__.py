"""Picture files with everything they hold: grey, alpha, 16 bits, and what they say about themselves."""
