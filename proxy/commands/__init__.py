"""One file for each command: its words and options. What it does stands elsewhere."""
