"""What an index is made with, and whether a request fits it."""
