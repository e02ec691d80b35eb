"""`embedstack webui reindex`: all that Open WebUI has indexed, embedded again with what it is set to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from embedstack.deploy.config import LoadedSettings
from embedstack.deploy.console import Report
from embedstack.deploy.stack import webui_step
from embedstack.deploy.webui import library, version
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.index import guarded, verify
from embedstack.deploy.webui.index import record as index_record
from embedstack.deploy.webui.index.guarded import GuardedIndex
from embedstack.deploy.webui.index.reindex import Reindexed, ToReindex
from embedstack.deploy.webui.verbs import own as webui_own
from embedstack.deploy.webui.verbs import theirs
from embedstack.deploy.webui.verbs.elsewhere import Elsewhere


def reindex(
    loaded: LoadedSettings, there: Elsewhere | None, report: Report, *, chat_files: bool, any_version: bool
) -> Reindexed:
    """NotRunning, WebuiUnsupported, PartNotReady; a file that failed is shown in what is returned. Its settings stay as
    they are.
    """
    if there is not None:
        return _elsewhere(loaded, there, report, chat_files=chat_files, any_version=any_version)
    own = webui_own.find(loaded.settings, report)
    with Webui(own.plan.webui_url) as webui:
        version.require(webui.version(), webui.url, any_version=any_version)
        webui_own.signed_in(own, webui)
        at = webui_step.index(own.plan, own.secrets, own.places)
        return _embed_again(webui, at, own.bridge_url, report, chat_files)


def _elsewhere(
    loaded: LoadedSettings, there: Elsewhere, report: Report, *, chat_files: bool, any_version: bool
) -> Reindexed:
    wanted = theirs.find(loaded.settings, there)
    with Webui(there.url) as webui:
        version.require(webui.version(), webui.url, any_version=any_version)
        theirs.signed_in(webui, there)
        at = GuardedIndex(index_record.of_url(there.url), wanted.here, wanted.admin_key)
        return _embed_again(webui, at, str(_address(wanted.must)), report, chat_files)


def _embed_again(webui: Webui, at: GuardedIndex, bridge: str, report: Report, chat_files: bool) -> Reindexed:
    """`bridge` as Open WebUI reaches it: where it asks another one, ours does not know what it embeds with."""
    is_set = webui.embedding()
    model = str(is_set.get("RAG_EMBEDDING_MODEL"))
    asks = is_set.get("RAG_EMBEDDING_ENGINE") == "ollama" and _address(is_set) == bridge
    if not asks:
        report.warn(f"Open WebUI does not embed through {bridge}: `embedstack webui apply` sets that")
        if (record := index_record.read(at.path)) is not None:  # of an index that is gone, whatever becomes of it
            index_record.write(at.path, replace(record, complete=False))
        at = GuardedIndex(at.path)
    known = library.look(webui)
    now, before = at.facts(model, report), verify.count(webui, known)
    return guarded.embed_again(webui, at, model, now, ToReindex(known, before, chat_files), report)


def _address(fields: Mapping[str, Any]) -> str:
    return str((fields.get("ollama_config") or {}).get("url", "")).rstrip("/")
