"""Draws a town with Blender's Cycles. worker.py is started by an interpreter that has `bpy`; nothing imports it."""
