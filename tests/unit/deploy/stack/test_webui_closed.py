"""Open WebUI is exposed only once it is closed: what else is refused, and with which next step."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from embedstack.deploy.errors import Blocked
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.stack import webui_step
from tests.docker.plans import plan
from tests.upstreams.server import Connection, Request, serve


def _ensure(onboarding: bool | None, *, sign_up: bool) -> None:
    """`ensure_closed` of an Open WebUI that says so of itself; None: as one that has accounts, not at all."""

    async def answer(_: Request, connection: Connection) -> None:
        reported = {"features": {"enable_signup": sign_up}} | ({} if onboarding is None else {"onboarding": onboarding})
        await connection.answer(200, json.dumps(reported).encode())

    with serve(answer) as url:
        webui_step.ensure_closed(_at(url))


def _at(url: str) -> Plan:
    return plan(ports={"webui": urlsplit(url).port})


def test_nobody_but_its_administrator() -> None:
    """An account, and no way to another: it may be exposed."""
    _ensure(None, sign_up=False)


def test_sign_up_is_open() -> None:
    """Anyone who reaches it could make an account: its administrator switches that off."""
    with pytest.raises(Blocked, match="can make an account") as refused:
        _ensure(None, sign_up=True)

    assert "Enable New Sign Ups" in refused.value.advice


@pytest.mark.parametrize("sign_up", [False, True])
def test_no_administrator(sign_up: bool) -> None:
    """The first account is the administrator's, even where sign-up is off: there is nobody yet to switch it off."""
    with pytest.raises(Blocked, match="no administrator") as refused:
        _ensure(True, sign_up=sign_up)

    assert "make the account" in refused.value.advice
