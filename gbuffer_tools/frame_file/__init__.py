"""Frame files: reader, writer, and the HDF5 underneath."""
