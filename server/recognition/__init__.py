"""One recogniser for all processes of a machine: its process, and what workers see of it."""
