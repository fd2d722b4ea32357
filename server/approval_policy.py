"""Which actions need a person's word: the configuration, held against the flow."""

from dialog.plan import Flow
from dialog.steps import Perform
from server.approvals import Approvals
from server.config import ApprovalConfig
from server.errors import StartError


def approvals_of(config: ApprovalConfig, flow: Flow) -> Approvals:
    """
    Raises:
        StartError: an action is named that the flow never performs; a slip of the pen would leave
            the one that was meant unguarded.
    """
    performed = {
        step.action for steps in flow.tasks.values() for step in steps if isinstance(step, Perform)
    }
    unknown = sorted(set(config.actions) - performed)
    if unknown:
        raise StartError(
            f"approval.actions names {', '.join(unknown)}, which the flow {flow.name} never"
            f" performs; it performs {', '.join(sorted(performed))}"
        )
    return Approvals(config.actions, wait_s=config.wait_s)
