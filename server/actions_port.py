"""Actions behind voice's port: the same words in two rooms that must not know each other."""

from actions.executor import ActionExecutor
from actions.request import ActionRequest
from server.observability import Metrics
from voice.events import ActionOutcome, ActionStatus, PerformAction


class ActionsPort:
    """voice.ports.Actions over the action executor, counted."""

    def __init__(self, executor: ActionExecutor, metrics: Metrics) -> None:
        self._executor, self._metrics = executor, metrics

    async def perform(self, action: PerformAction) -> ActionOutcome:
        """See voice.ports.Actions."""
        outcome = await self._executor.perform(
            ActionRequest(name=action.name, arguments=action.arguments, key=action.key)
        )
        self._metrics.actions.labels(outcome.name, outcome.status.value).inc()
        return ActionOutcome(
            name=outcome.name,
            key=outcome.key,
            status=ActionStatus(outcome.status.value),
            result=outcome.result,
            error=outcome.error,
        )
