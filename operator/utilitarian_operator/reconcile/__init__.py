"""One look at one fleet: read, decide, act, and what is kept until the next look."""
