"""The gates: a model's files are looked at before an engine gets them, and refused if their vectors would be wrong."""
