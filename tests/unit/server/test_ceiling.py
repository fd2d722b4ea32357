"""How many calls at a time are taken: learned slowly, so that a crowd gets no more in than fit."""

from collections import deque
from dataclasses import dataclass

import pytest

from server.ceiling import Ceiling, CeilingOptions

LOOK_S = 0.25


def looked(
    ceiling: Ceiling, since_s: float, for_s: float, *, calls: int, room: float, full: bool = False
) -> float:
    """Look four times a second; the time afterwards."""
    for n in range(round(for_s / LOOK_S)):
        ceiling.observe(calls=calls, room=room, full=full, now_s=since_s + n * LOOK_S)
    return since_s + for_s


def test_some_calls_are_taken_before_anything_is_known():
    assert Ceiling(CeilingOptions(start=20)).calls == 20


def test_ceiling_rises_while_calls_press_against_it_and_there_is_room():
    ceiling = Ceiling(CeilingOptions(start=20, rise_per_s=4.0))
    looked(ceiling, 0.0, 5.0, calls=20, room=1.0)
    assert ceiling.calls == pytest.approx(22, abs=1)  # 18 of 20 press, and it is out of reach
    ceiling = Ceiling(CeilingOptions(start=20, rise_per_s=4.0))
    now_s = 0.0
    for _ in range(20):
        now_s = looked(ceiling, now_s, 0.5, calls=ceiling.calls, room=1.0)
    assert ceiling.calls == pytest.approx(60, abs=3)


def test_ceiling_that_nobody_reaches_stays():
    ceiling = Ceiling(CeilingOptions(start=20))
    looked(ceiling, 0.0, 600.0, calls=10, room=1.0)
    assert ceiling.calls == 20


def test_less_room_is_explored_more_slowly():
    risen: list[int] = []
    for room in (1.0, 0.25, 0.0):
        ceiling, now_s = Ceiling(CeilingOptions(start=100)), 0.0
        for _ in range(40):
            now_s = looked(ceiling, now_s, 0.25, calls=ceiling.calls, room=room)
        risen.append(ceiling.calls - 100)
    assert risen[0] > 3 * risen[1] > risen[2] == 0


def test_no_call_is_replaced_while_it_is_too_much():
    ceiling = Ceiling(CeilingOptions(start=100))
    now_s = looked(ceiling, 0.0, 1.0, calls=100, room=0.0, full=True)
    assert ceiling.calls == 100
    now_s = looked(ceiling, now_s, 1.0, calls=93, room=0.0, full=True)
    looked(ceiling, now_s, 1.0, calls=90, room=0.0)
    assert ceiling.calls == 93  # and from now on those who leave make room for others


def test_after_too_much_it_rises_slowly_at_first():
    ceiling = Ceiling(CeilingOptions(start=100, rise_per_s=4.0, wary_s=60.0))
    now_s = looked(ceiling, 0.0, 1.0, calls=100, room=0.0, full=True)
    for _ in range(5):
        now_s = looked(ceiling, now_s, 1.0, calls=ceiling.calls, room=1.0)
    assert ceiling.calls <= 101
    for _ in range(115):
        now_s = looked(ceiling, now_s, 1.0, calls=ceiling.calls, room=1.0)
    assert ceiling.calls > 300


def test_few_are_always_taken():
    ceiling = Ceiling(CeilingOptions(start=20, least=5))
    looked(ceiling, 0.0, 5.0, calls=0, room=0.0, full=True)
    assert ceiling.calls == 5


@dataclass
class Crowd:
    """Calls that last 45 s and cost their share of a machine from their sixth second on; how long
    they wait for it is known from the last 5 s."""

    capacity: int  # calls that cost; with more than those the wait grows and grows
    service_s: float = 0.06

    def run(self, ceiling: Ceiling, *, arrivals_per_s: float, for_s: float) -> list[int]:
        """How many that cost were up at each look."""
        up: deque[float] = deque()  # when each came
        waits: deque[float] = deque(maxlen=round(5 / LOOK_S))
        seen: list[int] = []
        due = queue_s = 0.0
        for look in range(round(for_s / LOOK_S)):
            now_s = look * LOOK_S
            while up and up[0] <= now_s - 45:
                up.popleft()
            due += arrivals_per_s * LOOK_S
            while due >= 1:
                due -= 1
                if len(up) < ceiling.calls:
                    up.append(now_s)
            cost = sum(at_s <= now_s - 6 for at_s in up)
            busy = cost / self.capacity
            queue_s = max(0.0, queue_s + (busy - 1) * LOOK_S)
            waits.append(queue_s + 3 * self.service_s * busy**2 / max(0.05, 2 * (1 - busy)))
            wait_s = max(waits)
            room = max(0.0, 1 - wait_s / 0.2)
            ceiling.observe(calls=len(up), room=room, full=wait_s > 0.3, now_s=now_s)
            seen.append(cost)
        return seen


@pytest.mark.parametrize("capacity", [40, 150, 400])
def test_twice_the_crowd_gets_no_more_in_than_fit_and_not_many_fewer(capacity: int):
    seen = Crowd(capacity).run(Ceiling(), arrivals_per_s=2 * capacity / 45, for_s=900)
    settled = seen[round(300 / LOOK_S) :]
    assert max(settled) <= 1.1 * capacity  # they do not come evenly
    assert sum(settled) / len(settled) >= 0.7 * capacity


def test_sudden_crowd_does_not_get_in_before_its_cost_is_seen():
    seen = Crowd(150).run(Ceiling(), arrivals_per_s=20.0, for_s=300)
    assert max(seen) <= 1.1 * 150
