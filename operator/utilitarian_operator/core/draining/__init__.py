"""How a worker leaves without losing a task: the steps, and the guard against node autoscalers."""
