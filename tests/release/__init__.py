"""What a release is made of, and the checks before it: `make release-check`, docs/releasing.md."""
