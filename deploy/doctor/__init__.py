"""What on this machine is, or would be, in the way of a stack: facts are looked up at the edge, and judged purely."""
