"""The metrics of the operator: of fleets and pools, and of runs."""
