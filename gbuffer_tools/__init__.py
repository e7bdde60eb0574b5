"""From what renderers write to frame files: schema, geometry, sources, and the commands around them.

Runs on the capture machine: NumPy, h5py and OpenCV, never torch.
"""
