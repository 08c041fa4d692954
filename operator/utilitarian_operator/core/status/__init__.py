"""What the status of the resource says: conditions, pools, runs, memory, and its size."""
