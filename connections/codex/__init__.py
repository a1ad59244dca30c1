"""The Codex access path: the Codex CLI's own session, read in place and used on this computer only."""
