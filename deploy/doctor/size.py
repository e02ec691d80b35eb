"""Bytes as a person reads them. Pure."""


def size(number: int) -> str:
    """Decimal, as disks are sold: `2.50 GB`, `48.7 MB`."""
    return f"{number / 1e9:.2f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def gib(number: int) -> str:
    """Binary, as memory is told: `5.4 GiB`."""
    return f"{number / 2**30:.1f} GiB"
