"""Bytes to pixels: the headers of image files, decoding and resizing, the same in training and in the exported graph.

It may import nothing else of `data`.
"""
