"""Obtaining each credential for real, and saying what stands in the way."""
