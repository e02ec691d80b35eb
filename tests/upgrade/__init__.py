"""An upgrade of what runs: an earlier release is installed and brought up, and this one comes in its place."""
