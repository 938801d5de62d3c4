"""Text: from bytes in UTF-8 to the numbers of tokens, and what texts hold."""
