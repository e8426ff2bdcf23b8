"""What passed lately, for the status page: the last requests, and how many there were in each second.

Metadata only, in memory only, and bounded: of a crowd the last few are kept. Nobody is told of anything; whoever wants
to know looks, so that a reader who is slow misses something and costs nothing.
"""
