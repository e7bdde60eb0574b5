"""Devices, weights and ONNX networks."""
