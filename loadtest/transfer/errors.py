"""What can go wrong with a scripted agent.

LoadtestError
└── AgentError        the desk did not do what the script needs: one line for a person
"""

from loadtest.errors import LoadtestError


class AgentError(LoadtestError):
    """Signing in was refused, no audio came about, or what was waited for did not happen."""
