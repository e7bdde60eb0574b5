"""The loop, its parts, and whole miniature runs."""
