"""Callers of one process with people of another: a tie line, as PBXs have between their sites."""
