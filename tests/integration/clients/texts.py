"""What the client tests embed, and when two answers are one."""

import numpy as np
import numpy.typing as npt

QUESTION = "公司年假政策有哪些?"
TEXTS = [QUESTION, "annual leave", "带薪休假每年十五天。", "a\nb 👩‍👩‍👧", ""]

Floats = npt.NDArray[np.float64]


def same(got: object, wanted: object) -> bool:
    """Vectors equal but for the last bits, in which one engine call may differ from another."""
    return np.shape(got) == np.shape(wanted) and bool(np.allclose(np.array(got), np.array(wanted), rtol=0, atol=1e-6))
