"""Lerix as a service of the user: started at log-in, started again when it fails.

`record` is what a service starts, `systemd` and `launchd` are the two systems' ways to write it down and to start it,
`actions` are what ``lerix service`` does, `log` keeps macOS's log file short.
"""
