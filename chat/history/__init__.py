"""The list of chats: search, folders, pins, archive, and what is done to several of them."""
