"""Pictures -> vectors: the networks that metrics look through, and what is kept of their work."""
