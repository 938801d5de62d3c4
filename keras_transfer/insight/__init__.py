"""Insight: what a model does, as numbers and pictures: its report, its heat maps, its BatchNorm layers.

It may import `models`, `data`, `plots` and what is below them; it trains nothing.
"""
