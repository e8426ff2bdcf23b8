"""Connections to vendors: HTTP/1.1 over TCP and TLS, and nothing that a vendor did not ask for.

No redirect is followed, no cookie kept, no body decoded, no header invented, no environment variable read:
not by switching these off, but because they were never built. Connections of one provider are never used
for another.
"""
