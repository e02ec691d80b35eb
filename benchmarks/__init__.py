"""What the numbers in docs/performance.md come from: `python -m benchmarks`, the alternatives beside us in one run."""
