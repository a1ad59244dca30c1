"""The Mac's side of Codex Relay: it dials out, lets the account's own devices in, and answers what they may ask."""
