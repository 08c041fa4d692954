"""What the operator decides, from values to values: sizes, drains, objects, conditions, sentences."""
