"""How many workers a pool gets: demand, rules, runs and deadlines, sleep, limits, and memory."""
