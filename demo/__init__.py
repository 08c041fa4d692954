"""Shows the operator at work on the test bed's cluster: a scenario, a live table of what is seen, and a report."""
