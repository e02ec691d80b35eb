"""How vLLM 0.32 is started to embed, the same in both modes. Pure."""

import json

from embedstack.deploy.plan.plan import Plan, Served

ALONE, BESIDE = 0.9, 0.45  # share of the GPU's memory, alone and beside Ollama
SIZES = (32, 64, 128, 256, 512, 768, 1024, 1536, 2048, 2560, 4096)  # what clients cut vectors to


def memory(plan: Plan) -> float:
    """The share of the GPU's memory that vLLM may take."""
    return plan.settings.vllm.gpu_memory or (BESIDE if plan.beside else ALONE)


def overrides(served: Served) -> str:
    """--hf-overrides: without them it refuses `dimensions`, though the model was trained for them."""
    sizes = [size for size in SIZES if served.model.min_dimensions <= size <= served.model.dimensions]
    return json.dumps({"is_matryoshka": True, "matryoshka_dimensions": sizes}, separators=(",", ":"))
