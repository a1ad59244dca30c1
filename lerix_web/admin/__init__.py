"""Django's admin at /admin/: what the database holds, to look at. Whoever the guard lets in is its user."""
