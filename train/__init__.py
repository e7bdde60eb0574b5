"""Training: a YAML run file read into a frozen dataclass, one step function per recipe, one loop, one model file."""
