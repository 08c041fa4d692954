"""What was seen, as values: figures, queues, workers, pools, fleets."""
