"""Runs: a YAML file becomes a frozen dataclass, one step function, one loop, one model file."""
