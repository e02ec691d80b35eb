"""What other machines may reach must have an owner first. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from embedstack.deploy.doctor.finding import Finding
from embedstack.deploy.doctor.intent import Intent


@dataclass(frozen=True)
class Accounts:
    """Open WebUI's. None where it could not be asked, as before it runs."""

    administrator: bool | None
    sign_up: bool | None


def check(intent: Intent, accounts: Accounts) -> Iterator[Finding]:
    settings = intent.settings
    if settings.stack.expose == "none" or not settings.webui.enabled:
        return
    if not accounts.administrator:
        seen = "has no account yet" if accounts.administrator is False else "does not run yet, and cannot be asked"
        yield Finding(
            "EXPOSED-NO-ADMIN",
            "blocker",
            "Open WebUI would be open to the network without an administrator",
            f"stack.expose is {settings.stack.expose}; Open WebUI {seen}.",
            "Whoever comes first would own it.",
            "`embedstack up --expose none` makes the administrator (`embedstack config secrets` has the password); "
            f"then `embedstack up --expose {settings.stack.expose}`.",
        )
    if accounts.sign_up:
        yield Finding(
            "EXPOSED-SIGN-UP",
            "blocker",
            "Whoever reaches Open WebUI could make an account",
            f"stack.expose is {settings.stack.expose}, and sign-up is on.",
            "Everybody on the network could use the models and see what is shared.",
            "Switch it off: Admin Settings, General, Enable New Sign Ups.",
        )
