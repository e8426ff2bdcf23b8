"""How much a request through the proxy costs, beside other proxies that do the same job in the same minute.

Every contender takes requests below `/plain/`, drops the caller's Authorization and sends CREDENTIAL instead. Each
runs on one core, with one worker; load and upstream share the other cores. `docs/PERFORMANCE.md` says how to read it.
"""
