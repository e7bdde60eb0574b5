"""The networks; each file is one of the papers or one of its parts."""
