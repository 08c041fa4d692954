"""Lays out what the image of the operator is built from; its arguments are a folder and names of processors."""

import sys
from pathlib import Path

from hack import images
from hack.failure import Failure


def main(folder: str, *machines: str) -> int:
    """The exit code; the folder's path is printed."""
    try:
        print(images.context(images.OPERATOR, Path(folder), *machines))
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
