"""Runs of real length against the real process: `make soak`, or `python -m tests.soak`. The suite has a short form of each."""
