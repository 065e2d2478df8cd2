"""Rendered faces with exact region masks, and the two networks trained on them: the parser and the finder."""
