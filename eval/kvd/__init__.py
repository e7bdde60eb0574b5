"""sKVD, KVD and cKVD: crops, partners, kernel distances, and the judgement made of them."""
