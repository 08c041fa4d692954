"""A stand-in for the Utilitarian application: same module name, queues and commands; it reads no meters."""
