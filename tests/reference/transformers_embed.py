"""`python transformers_embed.py MODEL_FOLDER WORK_FOLDER`: texts.json to vectors.npy by Qwen's own recipe.

Run by the interpreter of an environment that has torch and transformers; imports nothing of this project.
"""

import json
import sys
from pathlib import Path


def main(model_folder: str, work_folder: str) -> None:
    import numpy as np
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = AutoModel.from_pretrained(model_folder, dtype=torch.float32).eval()
    texts = json.loads((Path(work_folder) / "texts.json").read_text(encoding="utf-8"))
    rows = []
    with torch.inference_mode():
        for text in texts:
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state
            rows.append(torch.nn.functional.normalize(hidden[0, -1], dim=0).numpy())
    np.save(Path(work_folder) / "vectors.npy", np.stack(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
