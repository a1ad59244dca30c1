"""Imported by Python itself before a program, where this folder is on PYTHONPATH: the program stalls."""

from tests.stalls import loops

loops.install()
