"""What can be wrong with frame files, and pictures to see it in."""
