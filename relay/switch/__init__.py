"""The switch Codex Relay of this computer: whether it serves the account's other devices, its card, and its setting."""
