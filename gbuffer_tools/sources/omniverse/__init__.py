"""What the writers of Omniverse Replicator share: cameras, and what ids and colours mean."""
