"""Masks: pictures that say of each pixel of another picture what it shows, as numbers of classes.

It may import `formats`, `pixels` and what is below `data`.
"""
