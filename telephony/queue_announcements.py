"""What waiting callers are due to hear: where they stand, that they may be called back. Pure."""

from collections.abc import Callable, Mapping, Sequence

from telephony.queue_events import AnnouncePosition, OfferCallback, QueueCommand
from telephony.queue_line import Caller, QueueOptions
from telephony.queue_standing import Standing

Standings = Callable[[list[Caller]], Mapping[str, Standing]]


def announcements(
    line: list[Caller], queues: Mapping[str, QueueOptions], standings: Standings, now_s: float
) -> list[QueueCommand]:
    """Whatever callers are due to hear, each of it to all at once; they are marked as told.

    Args:
        line: everybody who waits, in order.
        queues: the options by name.
        standings: where each of a line stands; asked only when somebody is due.
    """
    listening = [caller for caller in line if not caller.absent]
    due = [caller for caller in listening if now_s >= caller.next_announcement_s]
    standing: Mapping[str, Standing] = standings(line) if due else {}
    said: list[QueueCommand] = []
    for caller in due:
        caller.next_announcement_s = now_s + queues[caller.queue].announce_every_s
        stands = standing[caller.id]
        said.append(
            AnnouncePosition(
                caller=caller.id,
                position=stands.position,
                estimated_wait_s=stands.estimated_wait_s,
            )
        )
    return [*said, *_callbacks(listening, queues, now_s)]


def _callbacks(
    listening: Sequence[Caller], queues: Mapping[str, QueueOptions], now_s: float
) -> list[QueueCommand]:
    said: list[QueueCommand] = []
    for caller in listening:
        after_s = queues[caller.queue].callback_after_s
        due = after_s is not None and now_s - caller.entered_s >= after_s
        if due and not caller.callback_offered:
            caller.callback_offered = True
            said.append(OfferCallback(caller=caller.id))
    return said
