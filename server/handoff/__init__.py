"""Warm transfer, carried out: callers in the queue, agents rung, rooms joined and taken apart."""
