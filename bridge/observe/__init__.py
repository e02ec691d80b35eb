"""What the bridge reports about itself: log, metrics and trace."""
