"""What can be wrong with a flow that only running it shows."""


class FlowLoopError(Exception):
    """A flow ran without end and without waiting for anything: its author must add an `ask`."""
