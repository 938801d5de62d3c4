"""Records: what a run leaves beside its served versions, such as its history, its report and their pictures.

It may import everything but `demo` and `cli`.
"""
