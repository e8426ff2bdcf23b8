"""What would be sent for a request, and why; without a network and with every secret masked."""
