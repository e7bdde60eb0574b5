"""The networks; each file implements one paper or one part of it."""
