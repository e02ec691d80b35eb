"""`embedstack`, from where its script leads. Without the toolkit's packages it ends with 3 and says how to get them: as
text, whatever was asked for.
"""

import sys

from embedstack import extras


def main() -> None:
    if missing := extras.missing("stack"):
        sys.stderr.write(f"embedstack: {missing.message}\n{missing.advice}\n")
        sys.exit(3)
    from embedstack.deploy.cli.app import run

    run()
