"""What the operator talks to: one folder for the broker and the workers behind it, one for the cluster."""
