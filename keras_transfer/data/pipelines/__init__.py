"""Indices to batches: the order of an epoch, reading in parallel, substitutes for what fails, batching, and options.

It may import `pixels`, `augment` and `examples`.
"""
