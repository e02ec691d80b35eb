"""Open WebUI over its own API, as its administrator."""

from collections.abc import Mapping
from typing import Any

from embedstack.deploy.errors import PartNotReady, WebuiRefused
from embedstack.deploy.http import HttpServer, NoAnswer, Response

TIMEOUT = 60.0  # seconds
LONGEST = 300  # characters of an answer that are reported
WRONG_PASSWORD = (400, 401)
"""What Open WebUI 0.12.4 answers a sign-in with, and might; a 429 or a 500 says nothing of the password."""


class Webui:
    """An Open WebUI at `url`.

    PartNotReady where nothing answers there, or something else does; WebuiRefused for what it answers with an error.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._server = HttpServer(url)

    def __enter__(self) -> "Webui":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._server.close()

    def sign_in(self, email: str, password: str) -> None:
        """WebuiRefused where that is not an account of it: an administrator may have changed the password."""
        answer = self.ask("POST", "/api/v1/auths/signin", {"email": email, "password": password})
        if not isinstance(answer, dict) or "token" not in answer:
            raise WebuiRefused(
                f"Open WebUI at {self.url} wants more than the password of {email}: a second factor.",
                "Sign in there and give what you get: --url with EMBEDSTACK_WEBUI_TOKEN.",
            )
        self.use_token(str(answer["token"]))

    def use_token(self, token: str) -> None:
        """A session's token, or an API key; whether it counts is seen at the first question."""
        self._server.use_key(token)

    def role(self) -> str:
        """Of anyone who is signed in: admin, user, pending."""
        return str(self._object("GET", "/api/v1/auths/").get("role", ""))

    def version(self) -> str:
        """As it tells it to anybody; PartNotReady where what answers is not an Open WebUI."""
        # Ollama and the bridge answer /api/version too; this one they do not have.
        reply = self._public("/api/config")
        if not isinstance(reply, dict) or "features" not in reply or "version" not in reply:
            raise PartNotReady(
                f"What answers at {self.url} is not an Open WebUI.",
                "Name the address that you open in the browser: `embedstack webui … --url http://127.0.0.1:3000`.",
            )
        return str(reply["version"])

    def embedding(self) -> dict[str, Any]:
        """Its embedding settings, keys in clear."""
        return self._object("GET", "/api/v1/retrieval/embedding")

    def set_embedding(self, wanted: Mapping[str, Any]) -> None:
        self.ask("POST", "/api/v1/retrieval/embedding/update", dict(wanted))

    def sign_up_is_open(self) -> bool:
        """Whether anyone who reaches it can make an account."""
        features = self._object("GET", "/api/config").get("features", {})
        return bool(features.get("enable_signup"))

    def has_administrator(self) -> bool:
        """Whether somebody has an account; the first one is its administrator."""
        return not self._object("GET", "/api/config").get("onboarding", False)

    def hide(self, model: str) -> bool:
        """Keep an embedding model out of the list of chat models; False where it was kept out before."""
        known = self.ask("GET", "/api/v1/models/base")
        if any(entry["id"] == model for entry in known):
            return False
        body = {"id": model, "name": model, "meta": {"hidden": True}, "params": {}, "is_active": False}
        self.ask("POST", "/api/v1/models/create", body)
        return True

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        timeout: float | None = TIMEOUT,
    ) -> Any:
        """Its answer as JSON. `files` are sent as a form; `timeout` None: as long as it takes."""
        answer = self._send(method, path, body, files, timeout)
        if not answer.ok:
            raise self._refusal(answer, path)
        try:
            return answer.json()
        except ValueError as error:
            raise PartNotReady(
                f"What answers at {self.url}{path} is not an Open WebUI: {answer.text[:LONGEST]!r}"
            ) from error

    def _object(self, method: str, path: str) -> dict[str, Any]:
        answer = self.ask(method, path)
        if not isinstance(answer, dict):
            raise PartNotReady(f"Open WebUI answered {answer!r:.100} to {path}, which is not an object.")
        return answer

    def _public(self, path: str) -> Any:
        """What it tells without an account; None where that is not JSON. WebuiRefused where it is not well."""
        with Webui(self.url) as nobody:
            answer = nobody._send("GET", path, None, None, TIMEOUT)
        if answer.status_code >= 500:
            raise self._refusal(answer, path)
        try:
            return answer.json()
        except ValueError:
            return None

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        files: Mapping[str, tuple[str, bytes]] | None,
        timeout: float | None,
    ) -> Response:
        try:
            return self._server.ask(method, path, json=body, files=files, timeout=timeout)
        except NoAnswer as error:
            raise PartNotReady(
                f"Open WebUI at {self.url} gave no answer: {error}", "`embedstack status` shows whether it runs."
            ) from error

    def _refusal(self, answer: Response, path: str) -> WebuiRefused:
        message = f"Open WebUI at {self.url} answered {answer.status_code} to {path}: {_detail(answer)}"
        return WebuiRefused(message, _advice(answer.status_code), answer.status_code)


def _advice(status: int) -> str:
    if status in (401, 403):
        return "It wants an administrator's token: sign in there again, and take the new one."
    if status == 429:
        return (
            "It lets one account sign in 15 times in three minutes (0.12.4). Wait so long, and run the command again."
        )
    if status >= 500:
        return "Its log says why: `embedstack logs open-webui`. A full or locked disk is one cause."
    return ""


def _detail(answer: Response) -> str:
    """Why, in its own words."""
    try:
        reply = answer.json()
    except ValueError:
        return answer.text[:LONGEST].strip() or answer.reason
    return str(reply.get("detail", reply) if isinstance(reply, dict) else reply)[:LONGEST]
