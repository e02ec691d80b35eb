"""Log lines on standard error, as text or as one JSON object per line."""

import logging
import sys
from datetime import UTC, datetime

import orjson

from embedstack.bridge.errors import encodable
from embedstack.bridge.settings.structs import Log


class JsonFormatter(logging.Formatter):
    """Time, level, logger and message, with the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": encodable(record.getMessage()),
        }
        if record.exc_info:
            line["traceback"] = encodable(self.formatException(record.exc_info))
        return orjson.dumps(line).decode()


def _short_name(record: logging.LogRecord) -> bool:
    record.name = record.name.removeprefix("embedstack.")
    return True


def configure(settings: Log) -> None:
    """Replace all existing handlers, so that all log lines of the process go through this one."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_short_name)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if settings.format == "json" else text)
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").name = "bridge.server"
    logging.getLogger("asyncio").setLevel(logging.WARNING)
