"""Sources: one module for each kind of source of images. Their functions return `ImageData`.

It may import everything in `data` but `inspection`.
"""
