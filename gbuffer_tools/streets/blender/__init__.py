"""Draws a town with Blender's Cycles. worker.py runs in an interpreter that has `bpy`; nothing imports it."""
