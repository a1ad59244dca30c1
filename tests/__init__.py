"""The tests of Lerix. Run them with ``python3 manage.py test``."""
