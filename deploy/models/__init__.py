"""`embedstack model`."""
