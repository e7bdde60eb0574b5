"""Turns what renderers write into frame files: schema, geometry, sources, and the commands around them.

It runs on the capture machine: NumPy, h5py and OpenCV, never torch.
"""
