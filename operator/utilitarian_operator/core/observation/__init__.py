"""What was seen of a fleet, as values, and what of it can be believed."""
