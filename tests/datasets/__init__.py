"""From files to tensors, on miniature data made by code."""
