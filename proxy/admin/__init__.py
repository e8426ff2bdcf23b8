"""What an operator looks at: health, readiness, metrics, a status page. On a listener of its own, read-only.

It is told of the rest of the proxy by one function that gives a StatusSnapshot, and by the metrics.
"""
