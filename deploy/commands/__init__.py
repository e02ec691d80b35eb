"""One module a verb. A command takes values and a `Report`, and returns data that knows how to be shown."""
