"""What both sides of the proxy have in common: HTTP/1.1 messages as they come in, by aiohttp's C parser (llhttp)."""
