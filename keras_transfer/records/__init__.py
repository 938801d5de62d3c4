"""Records: the files that a run writes beside its exported versions: its history, its report and plots.

It may import everything but `demo` and `cli`.
"""
