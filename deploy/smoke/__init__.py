"""Is what answers at a URL right? The checks of `embedstack smoke`, for a bridge and for a bare engine."""
