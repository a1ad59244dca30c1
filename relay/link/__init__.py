"""A device's own link to the broker: dialled out, proved, kept. Both a host and a remote have one."""
