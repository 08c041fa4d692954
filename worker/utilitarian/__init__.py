"""The reference Utilitarian application."""
