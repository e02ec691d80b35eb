"""The stack as a whole: what it is to be, the steps to it, and how it is."""
