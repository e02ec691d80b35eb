"""The bytes of a file, onto the end of what has come before.

Asking the Hub again where it may help: after 429, 5xx and cuts, with growing pauses, as long as there is hope.
"""

import os
from collections.abc import Callable
from typing import TypeVar

import httpx2

from embedstack.deploy.console import Report, Transfer
from embedstack.deploy.errors import DeployError, WrongBytes
from embedstack.deploy.hub import refusal, remote
from embedstack.deploy.hub.cache import Slot
from embedstack.deploy.hub.patience import HubPatience, retry_after
from embedstack.deploy.hub.source import Source, WantedFile, token

T = TypeVar("T")
_UNREACHED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)
_PASSING = {408, 429, 500, 502, 503, 504}


def persist(
    action: Callable[[], T],
    so_far: Callable[[], int],
    wanted: WantedFile,
    source: Source,
    report: Report,
    wait: HubPatience,
) -> T:
    """What `action` returns, tried again while it fails for a passing reason; HubUnreachable or HubRefused at the end.

    Attempts in a row are counted from the last one in which `so_far` grew: a line that is cut every minute brings a
    file to its end, if late.
    """
    failed, began = 0, so_far()
    while True:
        before = so_far()
        try:
            return action()
        except remote.OfflineModeIsEnabled as error:
            raise refusal.offline(wanted, source) from error
        except httpx2.HTTPError as error:  # also of HfHubHTTPError
            failed = 1 if so_far() > before else failed + 1
            reached = so_far() > began or not isinstance(error, _UNREACHED)
            pause = wait.pause(failed, _asked(error), reached=reached) if _passing(error) else None
            if pause is None:
                raise _explained(error, wanted, source) from error
            report.say_plain("[yellow]![/]", f"{source.url}: {_why(error)}; again in {pause:.0f} s")
            wait.sleep(pause)
        except (ImportError, ValueError, httpx2.InvalidURL) as error:  # a proxy's or a mirror's address that is none
            raise refusal.unreachable(wanted, source, str(error)) from error


def _passing(error: httpx2.HTTPError) -> bool:
    if isinstance(error, remote.HfHubHTTPError):
        return error.response.status_code in _PASSING
    return isinstance(error, httpx2.TransportError) and not isinstance(error, httpx2.UnsupportedProtocol)


def _asked(error: httpx2.HTTPError) -> float | None:
    """Seconds that the Hub asks us to wait: its own rate limit's header, else the standard one."""
    if not isinstance(error, remote.HfHubHTTPError):
        return None
    limit = remote.parse_ratelimit_headers(error.response.headers)
    if limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds)
    return retry_after(error.response.headers.get("Retry-After"))


def _explained(error: httpx2.HTTPError, wanted: WantedFile, source: Source) -> DeployError:
    if not isinstance(error, remote.HfHubHTTPError):
        return refusal.unreachable(wanted, source, _why(error))
    status, code = error.response.status_code, error.response.headers.get("X-Error-Code")
    return refusal.refused(wanted, source, status, code, has_token=bool(token(os.environ)))


def _why(error: httpx2.HTTPError) -> str:
    if isinstance(error, remote.HfHubHTTPError):
        return f"HTTP {error.response.status_code}"
    return str(error) or type(error).__name__


def download(wanted: WantedFile, slot: Slot, source: Source, report: Report, wait: HubPatience) -> None:
    """Bring the partial file to its full length; what has come stays, whatever ends it.

    HubUnreachable, HubRefused, NotEnoughSpace, FolderNotUsable, WrongBytes.
    """
    if slot.so_far() > wanted.bytes:
        slot.partial.unlink()
    refusal.ensure_space(slot.blob.parent, wanted.bytes - slot.so_far(), refusal.CACHE)
    if slot.so_far() == wanted.bytes:
        return
    persist(lambda: remote.look(wanted, source), slot.so_far, wanted, source, report, wait)
    if had := slot.so_far():
        report.say_plain("[dim]=[/]", f"{wanted.name}: goes on at {had / 1e6:,.1f} of {wanted.bytes / 1e6:,.1f} MB")
    with report.transfer(wanted.name, wanted.bytes) as transfer:
        persist(lambda: _append(wanted, slot, source, transfer), slot.so_far, wanted, source, report, wait)


def _append(wanted: WantedFile, slot: Slot, source: Source, transfer: Transfer) -> None:
    """One request, from the end of the partial file on. Its errors are the transport's."""
    had = slot.so_far()
    if had == wanted.bytes:  # cut after the last byte
        return
    with remote.body(wanted, source, had) as (begins, chunks), slot.partial.open("ab") as file:
        if begins < had:  # the server knows no ranges: from the start, then
            file.truncate(begins)
        done = begins
        for chunk in chunks:
            done += len(chunk)
            if done > wanted.bytes:
                raise WrongBytes(
                    f"{source.url} sends more than the {wanted.bytes} bytes of {wanted.name}.",
                    "Take another mirror, or none: leave out --endpoint and HF_ENDPOINT.",
                )
            file.write(chunk)
            transfer.at(done)
    if done < wanted.bytes:
        raise remote.CutShort(f"the answer ended after {done} of {wanted.bytes} bytes")
