"""Callers who ask for a person, and agents who take them by a script, without a browser."""
