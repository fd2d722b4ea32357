"""Somebody else's bot, for comparison: run as a process of its own, never imported by frontdesk."""
