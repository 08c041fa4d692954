"""How many files, and so connections, the process may have open."""

import resource

ENOUGH = 65_536


def allow_enough() -> None:
    """Raise the limit as far as this user may.

    Recent versions of containerd start a process with 1,024, and let it raise that. Three hundred brokers with their
    connections, and those that come to the ports of the pod, are more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
