"""Runs of schedules: when they begin, which are open, how they end, and how many workers they ask for."""
