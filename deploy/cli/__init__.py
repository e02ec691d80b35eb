"""`embedstack`, from where its script leads. Without the toolkit's packages it runs again with them under uvx; else it
ends with 3 and says how to get them: as text, whatever was asked for.
"""

import os
import sys

from embedstack import extras


def main() -> None:
    if missing := extras.missing("stack"):
        extras.run_with_extras(sys.argv[1:], lambda line: sys.stderr.write(f"{line}\n"), os.execve)
        sys.stderr.write(f"embedstack: {missing.message}\n{missing.advice}\n")
        sys.exit(3)
    from embedstack.deploy.cli.app import run

    run()
