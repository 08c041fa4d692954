"""What came of a simulation: figures, advice, tables, JSON, and a page."""
