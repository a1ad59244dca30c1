"""Settings > General and Settings > About."""
