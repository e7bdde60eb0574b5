"""One picture in two versions: rendered cheaply and well, or small and large."""
