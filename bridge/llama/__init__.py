"""llama.cpp by its C API, in a process of its own: questions before documents, and no instruction computed twice."""
