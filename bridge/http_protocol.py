"""HTTP as every client speaks it: an offer to change the protocol is declined, and the request answered."""

import re

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Java's HttpClient offers h2c with every first request. A server may ignore that (RFC 9110, 7.8), and Ollama does; the
# parser under uvicorn instead stops there and drops the body, since the rest might be another protocol.
_OFFER = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_HEAD = 8192  # bytes in which the offer is looked for; JSON has no place for such a line


class HttpProtocol(HttpToolsProtocol):
    def data_received(self, data: bytes) -> None:
        if _OFFER.search(data, 0, _HEAD):
            data = _OFFER.sub(b"\r\nX-Declined-Upgrade:", data, count=1)
        super().data_received(data)
