"""Networks, losses, matching and model files, in torch only: no data files, no command lines, no printing."""
