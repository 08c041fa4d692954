"""Prints the folder of the fast tier's programs on stdout; everything else it says goes to stderr."""

import sys

from hack.console import exit_code
from hack.tools import fast_tier


def main() -> None:
    """Print one folder that holds etcd, kube-apiserver, kube-controller-manager and kubectl."""
    print(fast_tier())


if __name__ == "__main__":
    sys.exit(exit_code(main))
