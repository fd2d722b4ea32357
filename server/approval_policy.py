"""Which actions need a person's word: the configuration, held against the flow."""

from dialog.plan import Flow
from dialog.steps import Perform
from server.approvals import Approvals
from server.config import Config
from server.errors import StartError


def approvals_of(config: Config, flow: Flow) -> Approvals:
    """
    Raises:
        StartError: an action is named that the flow never performs: a slip of the pen would leave
            the one that was meant unguarded. Or there is no page to approve anything on.
    """
    wanted = config.approval
    if wanted.actions and not config.handoff.enabled:
        raise StartError("approval.actions needs people: set [handoff] enabled = true")
    performed = {
        step.action for steps in flow.tasks.values() for step in steps if isinstance(step, Perform)
    }
    unknown = sorted(set(wanted.actions) - performed)
    if unknown:
        raise StartError(
            f"approval.actions names {', '.join(unknown)}, which the flow {flow.name} never"
            f" performs; it performs {', '.join(sorted(performed))}"
        )
    return Approvals(wanted.actions, wait_s=wanted.wait_s)
