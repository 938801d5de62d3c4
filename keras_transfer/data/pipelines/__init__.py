"""Indices to batches: the order of an epoch, reading in parallel, batching, and the options of `tf.data`.

It may import `pixels`, `augment`, `examples` and `files`.
"""
