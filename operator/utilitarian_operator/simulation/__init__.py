"""Plays the decision engine, and other policies, over a load in virtual time."""
