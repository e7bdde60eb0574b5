"""Devices, weights, and networks in ONNX files."""
