"""What the measuring commands measure, and the runner that they share."""
