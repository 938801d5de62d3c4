"""Inspection: what is wrong with a set of images, as text, numbers and a page, and how far two sets are apart.

It may import everything in `data`.
"""
