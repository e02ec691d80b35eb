"""The engines behind the bridge: which, how many, and what becomes of a text when one fails."""
