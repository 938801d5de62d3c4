"""Sources: one file for each place that images with labels come from; all return `ImageData`.

It may import everything in `data` but `inspection`.
"""
