"""A model's name in its many spellings, and sentences one after another. Pure."""

# Where Ollama pulls from when no host is named, and whose default namespace is `library`.
_REGISTRIES = ("registry.ollama.ai/", "registry.ollama.com/", "ollama.com/")
_LIBRARY = "library/"
_HUBS = ("hf.co/", "huggingface.co/", "www.huggingface.co/")


def canonical(name: str) -> str:
    """The spelling by which two names are compared: `https://huggingface.co/Qwen/X:latest` is `qwen/x`.

    As Ollama compares (types/model/name.go): without case, scheme, default host, default namespace and default tag.
    A repository on the Hub is known by its own name, whichever of the Hub's hosts it was pulled from, and a file in it
    by its quantisation.
    """
    name = name.strip().lower().removesuffix(":latest")
    for scheme in ("https://", "http://"):
        name = name.removeprefix(scheme)
    for host in _REGISTRIES:
        if name.startswith(host + _LIBRARY):
            name = name.removeprefix(host)
    for hub in _HUBS:
        if name.startswith(hub) and "/" in name.removeprefix(hub):
            return _file_tag(name.removeprefix(hub))
    return name.removeprefix(_LIBRARY)


def _file_tag(name: str) -> str:
    """`qwen/x-gguf:x-q4_k_m.gguf`, a tag that the Hub takes as well, is `qwen/x-gguf:q4_k_m`."""
    repository, _, tag = name.rpartition(":")
    return f"{repository}:{tag[:-5].rpartition('-')[2]}" if repository and tag.endswith(".gguf") else name


_ENDS = (".", "!", "?", "…", "。", "！", "？")


def sentence(text: str) -> str:
    """The text with a full stop, unless it ends as a sentence does. What has lines of a log in it stays as it is."""
    if "\n" in text:
        return text
    text = text.rstrip(" :;,")
    return text if not text or text.endswith(_ENDS) else f"{text}."


def joined(*texts: str) -> str:
    """One sentence after another; what is empty is left out."""
    return " ".join(sentence(text) for text in texts if text)
