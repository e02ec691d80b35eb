"""What a stack is to be, before anything is done. Pure."""
