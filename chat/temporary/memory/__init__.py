"""Django's SQLite, with a database in the memory of this process (`base`)."""
