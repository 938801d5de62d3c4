"""Which image goes to training, validation or test: splits, folds, lists in CSV files, and copies kept together.

It may import everything in `data` but `sources` and `inspection`.
"""
