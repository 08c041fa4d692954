"""What comes: when runs start, when they will be done, and what is new about them."""
