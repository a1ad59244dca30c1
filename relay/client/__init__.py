"""The other Lerix's side of Codex Relay: an httpx transport to one host, and the access path over it."""
