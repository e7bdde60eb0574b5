"""Simple and published methods that an enhancer has to beat."""
