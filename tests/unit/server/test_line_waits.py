"""How long work waits before its turn."""

from server.line_waits import LineWaits


class World:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.waits = LineWaits(lambda: self.now_s)

    def served_after(self, wait_s: float) -> None:
        ticket = self.waits.join()
        self.now_s += wait_s
        self.waits.begin(ticket)
        self.waits.leave(ticket)


def test_empty_line_waits_nothing():
    assert World().waits.p90_s() == 0.0


def test_nine_of_ten_count_and_the_tenth_does_not():
    world = World()
    for wait_s in (0.01,) * 9 + (3.0,):
        world.served_after(wait_s)
    assert round(world.waits.p90_s(), 6) == 0.01


def test_what_began_long_ago_is_forgotten():
    world = World()
    world.served_after(1.0)
    assert world.waits.p90_s() == 1.0
    world.now_s += 5.1
    assert world.waits.p90_s() == 0.0


def test_work_that_never_gets_its_turn_counts_with_the_time_it_waits():
    world = World()
    ticket = world.waits.join()
    world.now_s += 30.0
    assert (world.waits.length, world.waits.p90_s()) == (1, 30.0)
    world.waits.leave(ticket)
    assert (world.waits.length, world.waits.p90_s()) == (0, 0.0)
