"""Training: a schedule's phases run on data, from the callback for `model.fit` to `fine_tune`.

It may import `caching`, `models`, `data`, `plots` and what is below them.
"""
