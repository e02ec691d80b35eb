"""`embedstack webui`."""
