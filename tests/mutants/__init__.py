"""Mutation testing: the code is broken in one place at a time, and a test has to notice.

A tool of our own, since the others do not reach what matters here. mutmut (3.8) changes nothing outside of functions
and nothing in decorated ones: not the sets of header names, not the patterns of the target check, not the Lua of the
Redis store, no property and no context manager. cosmic-ray (8.7) takes no statement, string or member of a set away,
and starts pytest anew for each mutant. mutatest has had no release for years.
"""
