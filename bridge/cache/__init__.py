"""Vectors that have been computed: in memory, then on disk. A fault here never fails a request."""
