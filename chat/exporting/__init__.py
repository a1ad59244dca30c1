"""What leaves a chat as a file: the whole of it as Markdown, and each code block of an answer."""
