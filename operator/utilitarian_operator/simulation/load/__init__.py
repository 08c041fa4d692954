"""The load that is played: files, traces, a Prometheus history, and variants of a resource."""
