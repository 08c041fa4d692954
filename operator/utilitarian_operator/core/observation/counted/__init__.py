"""What is counted from look to look: tasks that came and were done, and how long workers take to start."""
