"""What the bridge shows of itself: log, metrics, trace."""
