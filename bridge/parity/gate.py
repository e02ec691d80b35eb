"""Decides which engines may join a pool: all must compute the same vectors, and the same as last time."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from embedstack.bridge.backends.base import Backend, EngineFacts
from embedstack.bridge.index.fingerprint import Fingerprint
from embedstack.bridge.parity import examine as parity
from embedstack.bridge.parity.examine import Examined, ParityFinding
from embedstack.bridge.parity.golden import GoldenStore
from embedstack.models.catalog import CatalogError, Model
from embedstack.vectors.mrl import Vectors

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The findings about an engine. If it passed, precision and fingerprint are the pool's."""

    findings: tuple[ParityFinding, ...]
    precision: str
    fingerprint: Fingerprint

    @property
    def failed(self) -> list[str]:
        return [f"{finding.check}: {finding.detail}" for finding in self.findings if not finding.ok]


class Gate:
    """The gate of one pool. `wanted`: the precision; None for the engine's own. `style` and `special_tokens`: how texts
    are rendered.
    """

    def __init__(
        self, model: Model, wanted: str | None, store: GoldenStore, *, style: str, special_tokens: str
    ) -> None:
        self.model = model
        self.wanted = wanted
        self._store = store
        self._style = style
        self._special_tokens = special_tokens
        self.fingerprint: Fingerprint | None = None
        self.golden: Vectors | None = None

    async def examine(
        self, backend: Backend, facts: EngineFacts, concurrency: int, *, others: Callable[[], bool]
    ) -> Verdict:
        """Examine and judge an engine. Engines may be examined in parallel, but are judged one after another as they
        finish, each against those before. `others` returns whether engines already serve. An engine that passed must
        count as serving before the event loop's next turn; otherwise the next judgement does not know of it.
        """
        precision = self._precision(facts)
        measured = await parity.examine(backend, facts, self.model, precision, concurrency)
        return self._judge(measured, precision, facts, others=others())

    async def recheck(self, backend: Backend, fingerprint: Fingerprint) -> tuple[ParityFinding, ...]:
        """Check an engine that served as `fingerprint` with one call, after a reconnect."""
        golden = self.golden
        if golden is None:
            return (ParityFinding("reference", ok=False, detail="nothing to compare with"),)
        findings = await parity.recheck(backend, self.model, golden)
        # The pool may serve other vectors since the engine left, or since it was asked.
        if self.golden is not golden or self.fingerprint != fingerprint:
            return (ParityFinding("reference", ok=False, detail="the pool serves something else by now"),)
        return findings

    def _judge(self, measured: Examined, precision: str, facts: EngineFacts, *, others: bool) -> Verdict:
        """Judge without awaiting anything, so that nothing changes meanwhile."""
        joins = others and self.fingerprint is not None and self.fingerprint.precision == precision
        own = self._fingerprint(precision, facts)
        fingerprint = self.fingerprint if joins and self.fingerprint else own
        stored = self.golden if joins or own == self.fingerprint else self._store.load(own.id)
        findings = (measured if stored is None else parity.held_against(measured, stored)).findings
        if others and not joins:
            findings = (*findings, self._other_precision(precision))
        verdict = Verdict(findings, precision, fingerprint)
        if not verdict.failed and not joins:
            self._adopt(fingerprint, stored, measured.vectors)
        return verdict

    def forget(self) -> None:
        """Accept the next engine that passes, even if its vectors differ from those of an earlier one."""
        if self.fingerprint:
            self._store.forget(self.fingerprint.id)
        self.golden = None

    def _adopt(self, fingerprint: Fingerprint, stored: Vectors | None, examined: Vectors | None) -> None:
        self.fingerprint = fingerprint
        self.golden = examined if stored is None else stored
        if stored is None and examined is not None:
            self._store.save(fingerprint.id, examined)

    def _other_precision(self, precision: str) -> ParityFinding:
        serving = self.fingerprint.precision if self.fingerprint else "none"
        return ParityFinding("precision", ok=False, detail=f"{precision}, while the pool serves {serving}")

    def _precision(self, facts: EngineFacts) -> str:
        """The configured precision, else the one that the engine reports if the catalogue has it, else the default."""
        if self.wanted:
            return self.wanted
        if facts.kind == "vllm" and self.model.safetensors:
            return self.model.safetensors.precision
        with contextlib.suppress(CatalogError):
            if facts.quantisation:
                return self.model.precision(facts.quantisation)
        return self.model.default_quantisation

    def _fingerprint(self, precision: str, facts: EngineFacts) -> Fingerprint:
        source = _source(self.model, precision) or facts.digest or f"{facts.model} {facts.size}"
        return Fingerprint(self.model.id, precision, source, self._style, self._special_tokens)


def _source(model: Model, precision: str) -> str | None:
    """The catalogue's sha256 of the weights at a precision."""
    for file in model.files:
        if file.quantisation == precision and file.sha256:
            return file.sha256
    tensors = model.safetensors
    return tensors.sha256 if tensors and tensors.precision == precision else None
