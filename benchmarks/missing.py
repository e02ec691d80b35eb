"""What an alternative that cannot be run is reported with."""


class MissingError(Exception):
    """Something to compare with is not installed and cannot be; the message says what to do."""
