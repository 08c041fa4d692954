"""The utilitarian-operator: runs the Celery workers of Utilitarian on Kubernetes."""

__version__ = "0.1.0"
