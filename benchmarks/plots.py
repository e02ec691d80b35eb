"""The flood as a picture: how long each query took, and when it was asked."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

from benchmarks.outcome import Points

mpl.use("svg")
from matplotlib import pyplot as plt

# The same file for the same figures, and legible on a light page and on a dark one.
_STYLE = {
    "svg.hashsalt": "embedstack",
    "svg.fonttype": "none",
    "font.size": 11,
    "text.color": "#777777",
    "axes.labelcolor": "#777777",
    "axes.edgecolor": "#999999",
    "xtick.color": "#777777",
    "ytick.color": "#777777",
}
_COLOURS = ("#d1603d", "#2f7fd0", "#c29a2e", "#3f9a6b")
_LABELS = {"direct": "Ollama, asked directly", "bridge": "the bridge before the same Ollama"}


def flood(lines: Mapping[str, Points], chunks: int, file: Path) -> None:
    """Write `file`, SVG: seconds a query took (log) over the second at which it was asked."""
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]  # its keys are strings here
        figure, axes = plt.subplots(figsize=(7.5, 3.6))
        for colour, (name, points) in zip(_COLOURS, lines.items(), strict=False):
            label = _LABELS.get(name, name)
            axes.semilogy(*zip(*points, strict=True), ".", markersize=5, color=colour, label=label)
        axes.set_xlabel("seconds since the upload began")
        axes.set_ylabel("seconds a query took")
        axes.set_title(f"Queries beside an upload of {chunks:,} chunks", fontsize=11)
        axes.grid(alpha=0.25, which="major")
        axes.legend(frameon=False, labelcolor="#777777")
        figure.tight_layout()
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        plt.close(figure)
