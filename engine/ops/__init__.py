"""Tensors in, tensors out. Nothing here knows of regions, files or ComfyUI."""
