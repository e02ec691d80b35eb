"""What Open WebUI has indexed: with what, whether it still fits, and how it is made again."""
