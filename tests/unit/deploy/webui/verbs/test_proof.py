"""What the bridge's requests say of the role of a text that went through Open WebUI."""

from __future__ import annotations

from embedstack.contract.answers import TraceRecord
from embedstack.deploy.webui.verbs.apply import Arrival, RoleProof, arrival

TEXT = "And a question? 公司年假"


def _record(size: int = len(TEXT.encode()), role: str = "query", source: str = "body input_type") -> TraceRecord:
    return TraceRecord(
        seq=1,
        time=0.0,
        door="ollama",
        client="127.0.0.1",
        user="",
        model="demo",
        role=role,
        task=role,
        source=source,
        texts=1,
        bytes=size,
        tokens=9,
        dimensions=2560,
        hit=0,
        joined=0,
        miss=1,
        queue_ms=0.0,
        engine_ms=1.0,
        encode_ms=0.0,
        answer_bytes=9,
        truncated=0,
        status=200,
        code="",
    )


def test_a_text_that_said_what_it_is() -> None:
    """Its role, and where the bridge had it from; others that came meanwhile are not taken for it."""
    came = [_record(7, "document"), _record()]

    assert arrival("query", TEXT, came) == Arrival("query", "query", "body input_type")


def test_a_text_that_did_not_say_what_it_is() -> None:
    """By default it is a document: a question would be embedded as one."""
    assert arrival("query", TEXT, [_record(role="document", source="default")]).reason == "it came without a role"


def test_a_document_without_a_role_is_no_proof_either() -> None:
    """That it is right by default says nothing of the next question."""
    assert arrival("document", TEXT, [_record(role="document", source="default")]).reason


def test_a_text_with_another_role() -> None:
    """Query and document mistaken for each other."""
    assert arrival("query", TEXT, [_record(role="document")]).reason == "it came as document"


def test_a_text_with_a_prefix_before_it() -> None:
    """A prefix without the name of a field is written before the text itself."""
    assert "something written before it" in arrival("query", TEXT, [_record(len(TEXT.encode()) + 5)]).reason


def test_a_text_that_never_came() -> None:
    """Open WebUI asks another bridge; where it said why it sent nothing, that is reported."""
    assert arrival("query", TEXT, []).reason == "it did not come to this bridge"
    assert "though other texts did" in arrival("query", TEXT, [_record(7)]).reason
    assert arrival("query", TEXT, [], "Ollama embed error").reason == "Ollama embed error"


def test_one_role_alone_is_no_proof() -> None:
    """Both have to arrive."""
    good, bad = Arrival("query", "query", "body input_type"), Arrival("document", "", "", "it did not come")

    assert RoleProof(Arrival("document", "document", "body input_type"), good).sent
    assert not RoleProof(bad, good).sent
