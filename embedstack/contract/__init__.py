"""What a bridge answers on its own routes: encoded by the bridge, decoded by the toolkit, written down once."""

PORT = 11435
"""Where a bridge listens by default."""
