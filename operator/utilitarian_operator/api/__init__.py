"""The UtilitarianWorkerPool: its fields, their defaults, its status, and how each is written."""
