"""Networks, losses, matching and model files. Torch only: no data files, no arguments, no printing."""
