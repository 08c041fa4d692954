"""What a look reads: the broker, the workers, the cluster's objects, and the credentials."""
