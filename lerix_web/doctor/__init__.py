"""`lerix doctor`: what is right with an installation and what is not. It only looks: nothing is written, renewed or
made, and nothing secret is shown. The server never imports it."""
