"""The parts that all training commands share: the loop, its files, its settings."""
