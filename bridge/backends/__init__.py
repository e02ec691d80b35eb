"""One small adapter for each kind of engine. To everything above them they are all one `Backend`."""
