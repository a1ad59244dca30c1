"""One settings module per role: ``local`` is the app on this machine, ``test`` the same for tests."""
