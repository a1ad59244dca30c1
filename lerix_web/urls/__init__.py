"""One urlconf per role; ``local`` serves the app on this machine."""
