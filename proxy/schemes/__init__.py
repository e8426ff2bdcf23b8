"""Ways to authenticate: one file each, and one explicit registry."""
