"""What is wrong in a pool: findings, lost pods, broker settings, and which stuck worker is replaced."""
