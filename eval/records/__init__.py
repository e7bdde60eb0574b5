"""Records of measurements as JSON: written whole, checked entry by entry when read."""
