"""Matryoshka cuts and the encoding of what is left. Pure, NumPy only."""

import base64

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
"""Rows of (n, d), or one of (d,), float32."""
LITTLE_ENDIAN_F32 = np.dtype("<f4")


def cut(vectors: Vectors, dimensions: int) -> Vectors:
    """Cut vectors (n, d) to (n, k) and L2-normalise; float32. ValueError unless 1 <= k <= d or a cut is all zero.

    Prefix first, then the norm, is Qwen's own order (Qwen3-Embedding README, "MRL Support").
    """
    if not 1 <= dimensions <= vectors.shape[1]:
        raise ValueError(f"cannot cut vectors of {vectors.shape[1]} components to {dimensions}")
    prefix = vectors[:, :dimensions]
    norms = np.sqrt(np.einsum("ij,ij->i", prefix, prefix, dtype=np.float32))
    if not norms.all():
        raise ValueError(f"a vector has no component but zero among its first {dimensions}")
    return np.ascontiguousarray(prefix / norms[:, np.newaxis], dtype=np.float32)


def to_base64(vector: Vectors) -> str:
    """One vector (k,) as base64 of little-endian float32, as OpenAI's `encoding_format: base64`."""
    return base64.b64encode(vector.astype(LITTLE_ENDIAN_F32, copy=False).tobytes()).decode("ascii")


def from_base64(text: str | bytes) -> Vectors:
    """The inverse of `to_base64`. ValueError if it is not base64 of whole float32 values."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype=LITTLE_ENDIAN_F32)
