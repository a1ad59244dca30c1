"""The tests on a machine that stalls; see `tests.stalls.plugin`."""
