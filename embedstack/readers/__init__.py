"""One reader for each kind of file on disk, which may be damaged: JSON, YAML, keys.

Whatever its bytes are, a reader raises only `DamagedFile`, which names the file, the place and the problem, or an
OSError if the system cannot read the file.
"""
