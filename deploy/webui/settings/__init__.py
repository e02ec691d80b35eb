"""Open WebUI's embedding settings: read, judged, set."""
