"""What a look does: writes to the cluster, steps of drains, events, and accepted specs."""
