"""Who waits, who is next, and how long it will take. Nothing here asks an engine anything."""
