"""The records that commands write as JSON files, and how they are written, read and checked."""
