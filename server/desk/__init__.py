"""The agents' desk and the supervisors' board: pages, their WebSockets, and lines to agents."""
