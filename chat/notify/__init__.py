"""Word that a long answer is done, for a page that nobody looks at."""
