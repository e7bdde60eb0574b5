"""From pictures to feature vectors: the networks, their inner products, and the cache of what was computed."""
