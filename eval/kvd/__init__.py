"""sKVD, KVD and cKVD: crops, their partners, and the kernel distances between them."""
