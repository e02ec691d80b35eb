"""The address, the sockets and HTTP, below the routes."""
