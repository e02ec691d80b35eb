"""The answers of the bridge's own routes. The bridge encodes and the toolkit decodes them by the same definition."""

PORT = 11435
"""The port on which a bridge listens by default."""
