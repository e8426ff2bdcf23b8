"""What happens to one request, in the order in which it happens: see `gateway.Gateway`."""
