"""What this machine is asked, and how files and processes are made on it."""
