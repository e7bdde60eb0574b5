"""How much of the frame an enhancer kept: edges, depth, class colours."""
