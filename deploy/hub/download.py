"""The bytes of one file, onto the end of what has come before."""

from embedstack.deploy.console import Report, Transfer
from embedstack.deploy.errors import WrongBytes
from embedstack.deploy.hub import refusal, remote
from embedstack.deploy.hub.cache import Slot
from embedstack.deploy.hub.patience import HubPatience
from embedstack.deploy.hub.persist import persist
from embedstack.deploy.hub.source import Source, WantedFile


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
