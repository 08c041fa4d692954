"""The Kubernetes objects of a fleet: how they are built, and what must be done to have them."""
