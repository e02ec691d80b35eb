"""`python -m embedstack.models.demo [FOLDER]`: build the demo model and print where it lies."""

import sys
from pathlib import Path

from embedstack.models.demo.build import DemoModelError, build, default_folder


def main(arguments: list[str]) -> int:
    try:
        files = build(Path(arguments[0]) if arguments else default_folder())
    except DemoModelError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"gguf    {files.gguf}\nhf      {files.hf}\nsha256  {files.sha256}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
