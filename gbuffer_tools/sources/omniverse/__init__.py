"""What Omniverse Replicator's writers share: cameras, and the meaning of ids and colours."""
