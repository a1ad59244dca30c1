"""Chats that are in memory only, and gone when they are closed."""
