"""Settings off msgspec structs: defaults, one YAML file, the environment, flags; each value with its source.

What is common to the bridge and the toolkit. Each has structs of its own, and a `Schema` that says how they are named.
"""
