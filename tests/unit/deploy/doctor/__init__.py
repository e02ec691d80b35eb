"""What `doctor` finds, subject by subject."""
