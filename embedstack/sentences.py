"""Sentences one after another, wherever their parts come from: an engine's own words end as they like. Pure."""

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
