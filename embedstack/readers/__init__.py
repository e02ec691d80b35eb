"""One reader for each kind of file that lies on a disk and may be damaged there: JSON, YAML, keys.

Whatever is wrong with a file, a reader raises `DamagedFile`, which names the file, the place in it and what is wrong
there, or an OSError where the system does not let it be read. Nothing else, whatever the bytes are.
"""
