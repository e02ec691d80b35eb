"""Settings from msgspec structs: defaults, one YAML file, the environment and flags, each value with its source.

The bridge and the toolkit share this code. Each has its own structs, and a `Schema` that says how they are named.
"""
