"""Networks: sizes as published, shapes, independence of the batch."""
