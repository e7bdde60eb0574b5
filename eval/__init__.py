"""From tensors to numbers: metrics, their intervals, and the report made from them."""
