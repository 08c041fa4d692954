"""Beat: what its conditions say, which of its pods is replaced, and which other beats send the same tasks."""
