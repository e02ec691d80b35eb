"""What is reported of an Open WebUI that names no roles."""

import pytest

from embedstack.deploy.doctor.webui import ENOUGH, check_roles


@pytest.mark.parametrize(
    ("texts", "reported"),
    [
        ({}, False),
        ({"default": ENOUGH - 1}, False),
        ({"default": ENOUGH}, True),
        ({"default": 10 * ENOUGH, "field": 1}, False),
        ({"alias": ENOUGH}, False),
    ],
    ids=str,
)
def test_only_one_that_never_said_a_role_is_reported(texts: dict[str, int], reported: bool) -> None:
    """Fifty texts without one are enough; a single one that came with a role says that they can."""
    found = list(check_roles(texts))

    assert reported == bool(found)
    assert all(f.id == "ROLE-NEVER-SENT" and "RAG_EMBEDDING_PREFIX_FIELD_NAME" in f.next_step for f in found)
