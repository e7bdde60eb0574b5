"""What an enhancer kept of the frame: edges, depth, colours of classes."""
