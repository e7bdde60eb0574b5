"""From tensors to numbers: metrics, their intervals, and the report made of them."""
