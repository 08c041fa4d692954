"""The Kubernetes API server: requests, the cache of what is watched, and dry runs."""
