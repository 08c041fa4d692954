"""What of the resource runs: accepted specs, overrides, references, and claims on queues."""
