"""Which specs are refused: rules on fields, on parts, on the whole resource, and on commands' arguments."""
