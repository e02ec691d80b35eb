"""What stops a stack on this machine, or soon will: facts are looked up at the edge, and judged purely."""
