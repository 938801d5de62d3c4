"""Proof: that a version answers what the model answered, by a process with TensorFlow alone, and who signed it.

It may import nothing of `serving` but `description`, `signatures`, `specimens` and `versions`.
"""
