"""Open WebUI: what its settings should be, and its API."""
