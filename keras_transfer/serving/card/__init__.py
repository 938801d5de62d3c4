"""The model card: what a version is, was made of and is good for, as Markdown and as a page."""
