"""Conversations: asking a model, the answer while it grows, and the pages that show it.

Nothing but the composition root imports this package.
"""
