"""Proof: checks that a version gives the outputs of the original model, and that its files are unchanged and signed.

It may import nothing of `serving` but `description`, `signatures`, `specimens` and `versions`.
"""
