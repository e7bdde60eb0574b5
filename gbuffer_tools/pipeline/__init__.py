"""Many frames: which to make, and by which processes or machines."""
