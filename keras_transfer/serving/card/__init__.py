"""The model card: a description of a version, its data, training, quality and limits, as JSON and as Markdown."""
