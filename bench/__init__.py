"""How much a request through the proxy costs, beside other proxies that do the same job in the same minute."""
