"""Many frames: what is to be made, by which processes or machines."""
