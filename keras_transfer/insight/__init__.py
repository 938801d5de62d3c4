"""Insight: tools to inspect a model: evaluation reports, heat maps, and a check of its BatchNorm layers.

It may import `models`, `data`, `plots` and what is below them. It does not train models.
"""
