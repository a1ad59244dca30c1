"""Lerix's own commands for Django's command line."""
