"""How fast Lerix is: each benchmark is one command that prints a table. Linux only, for it reads /proc."""
