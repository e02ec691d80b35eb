"""`embedstack demo`."""
