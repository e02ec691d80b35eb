"""What is done with vectors, once they are right."""
