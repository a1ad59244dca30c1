"""Everything beyond this Mac: the account, Codex Relay and encrypted sync.

A device signed in to a Lerix account reaches this Mac's Codex session, its pages and its chats through the
account broker, which carries ciphertext only. This package is for both ends of that channel and for the broker.
"""
