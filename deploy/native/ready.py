"""Does a part answer? One GET on loopback, without blocking the supervisor's loop."""

import asyncio
from urllib.parse import urlsplit

TIMEOUT = 5.0  # seconds


async def answers(url: str) -> bool:
    """Whether a GET of `url` (http only) is answered with 200."""
    try:
        return await asyncio.wait_for(_get(url), TIMEOUT) == 200
    except (OSError, ValueError, TimeoutError):
        return False


async def _get(url: str) -> int:
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    reader, writer = await asyncio.open_connection(host, port)
    try:
        # HTTP/1.0: whoever answers closes the connection.
        writer.write(f"GET {parts.path or '/'} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        await writer.drain()
        return int((await reader.readline()).split()[1])
    except IndexError as error:
        raise ValueError(f"{url} did not answer in HTTP") from error
    finally:
        writer.close()
