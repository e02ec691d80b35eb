"""Compares spellings of a model's name, and joins sentences. Pure."""

# The registries that Ollama pulls from by default; their default namespace is `library`.
_REGISTRIES = ("registry.ollama.ai/", "registry.ollama.com/", "ollama.com/")
_LIBRARY = "library/"
_HUBS = ("hf.co/", "huggingface.co/", "www.huggingface.co/")


def canonical(name: str) -> str:
    """The spelling by which names are compared: `https://huggingface.co/Qwen/X:latest` is `qwen/x`.

    As in Ollama (types/model/name.go), case, scheme, default host, default namespace and default tag do not count. A
    repository on the Hub is known by its own name, whichever of the Hub's hosts it was pulled from, and a file in it by
    its quantisation.
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
    """`qwen/x-gguf:x-q4_k_m.gguf`, which the Hub accepts as well, is `qwen/x-gguf:q4_k_m`."""
    repository, _, tag = name.rpartition(":")
    return f"{repository}:{tag[:-5].rpartition('-')[2]}" if repository and tag.endswith(".gguf") else name


_ENDS = (".", "!", "?", "…", "。", "！", "？")


def sentence(text: str) -> str:
    """The text with a full stop, unless it already ends a sentence. A text of several lines, as from a log, is
    unchanged.
    """
    if "\n" in text:
        return text
    text = text.rstrip(" :;,")
    return text if not text or text.endswith(_ENDS) else f"{text}."


def joined(*texts: str) -> str:
    """The texts as sentences, joined by spaces; empty texts are left out."""
    return " ".join(sentence(text) for text in texts if text)
