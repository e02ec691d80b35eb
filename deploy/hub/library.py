"""huggingface_hub, as this toolkit wants it. What imports this does so only where the network is needed.

It takes 0.3 s to import, and most runs of `up` find every file on the disk.
"""

import logging

from huggingface_hub import constants, get_hf_file_metadata, get_session, hf_hub_url, hf_raise_for_status
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # exported lazily, which mypy does not see
    WeakFileLock,
    build_hf_headers,
    parse_ratelimit_headers,
)

# Without this, 2.4 asks huggingface.co/api/agent-harnesses before its first request, whatever mirror is named.
constants.HF_HUB_DISABLE_TELEMETRY = True
logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # what goes wrong is told by us, once

__all__ = [
    "HfHubHTTPError",
    "OfflineModeIsEnabled",
    "WeakFileLock",
    "build_hf_headers",
    "get_hf_file_metadata",
    "get_session",
    "hf_hub_url",
    "hf_raise_for_status",
    "parse_ratelimit_headers",
]
