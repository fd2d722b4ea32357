"""One SIP port, several endpoints behind it: what comes is where it belongs, on real sockets."""

import asyncio

import pytest

from server.processes.glance import call_id_prefix
from server.processes.table import Count
from telephony.leg import LegRefusedError
from telephony.sip.outgoing_call import DialOptions
from tests.fakes.process_house import MEDIA_PORT, RawCaller, house
from tests.fakes.sip_leg_world import until
from tests.fakes.sip_phone import phones


async def call_up(caller: RawCaller, *call_ids: str) -> None:
    for call_id in call_ids:
        assert (await caller.call(call_id)).startswith("SIP/2.0 200")


async def test_calls_of_one_trunk_are_spread_over_all_workers():
    async with house(3) as (parent, caller):
        await call_up(caller, *(f"call-{each}" for each in range(6)))
        assert [len(worker.calls) for worker in parent.workers] == [2, 2, 2]


async def test_what_follows_from_other_ports_is_where_the_call_is():
    async with house(2) as (parent, caller):
        await call_up(caller, "first", "second")
        caller.send("INVITE", "second", number=2, at=1)
        assert (await caller.answer("second", at=1)).startswith("SIP/2.0 200")
        caller.send("ACK", "second", number=2, at=1)
        caller.send("BYE", "second", number=3, at=2)
        assert (await caller.answer("second", "BYE", at=2)).startswith("SIP/2.0 200")
        assert [worker.ended for worker in parent.workers] == [[], ["caller_hangup"]]


async def test_answers_leave_from_the_one_port():
    async with house(2) as (parent, caller):
        sources: set[tuple[str, int]] = set()
        inbox = caller.sockets[0]
        received = inbox.datagram_received
        inbox.datagram_received = lambda data, addr: (sources.add(addr), received(data, addr))[1]
        await call_up(caller, "first", "second")
        assert all(len(worker.calls) == 1 for worker in parent.workers)
        assert sources == {parent.address}


async def test_call_that_a_worker_places_gets_its_answers():
    async with house(2) as (parent, _), phones(1) as (phone,):
        phone.answers = True
        for worker in parent.workers:
            call = await worker.endpoint.dial(DialOptions(target=phone.uri), media_port=MEDIA_PORT)
            assert call.call_id.startswith(call_id_prefix(worker.number))
            await call.answered()
            ended: list[str] = []
            call.on_ended = ended.append
            await phone.legs[-1].hang_up("done")  # a request of theirs in our call
            await until(lambda ended=ended: ended)
            assert ended == ["caller_hangup"]


async def test_worker_without_headroom_has_another_asked():
    async with house(2) as (parent, caller):
        parent.workers[0].closed = True
        await call_up(caller, "one", "two", "three")
        assert parent.workers[1].call_ids == ["one", "two", "three"]
        assert parent.counted(Count.ASKED_AGAIN) == 3


async def test_call_that_no_worker_takes_is_refused_once_and_told_when_to_try_again():
    async with house(3) as (parent, caller):
        for worker in parent.workers:
            worker.closed = True
        refusal = await caller.call("one")
        assert refusal.startswith("SIP/2.0 503")
        assert "\r\nRetry-After: 7\r\n" in refusal
        await asyncio.sleep(0.05)
        statuses = [each for each in caller.sockets[0].datagrams if b"503" in each[:12]]
        assert len(statuses) == 1


async def test_repeated_invite_is_not_taken_twice():
    async with house(2) as (parent, caller):
        parent.workers[0].closed = True
        caller.send("INVITE", "one")
        caller._branches -= 1  # pyright: ignore[reportPrivateUsage]  the very same request again
        caller.send("INVITE", "one")
        await caller.answer("one")
        parent.workers[0].closed = False
        caller._branches -= 1  # pyright: ignore[reportPrivateUsage]
        caller.send("INVITE", "one")
        await asyncio.sleep(0.05)
        assert [worker.call_ids for worker in parent.workers] == [[], ["one"]]


async def test_probe_is_answered_as_a_call_would_be():
    async with house(2) as (parent, caller):
        parent.workers[0].closed = True
        caller.send("OPTIONS", "probe")
        assert (await caller.answer("probe", "OPTIONS")).startswith("SIP/2.0 200")
        parent.workers[1].closed = True
        caller.send("OPTIONS", "probe-2")
        assert (await caller.answer("probe-2", "OPTIONS")).startswith("SIP/2.0 503")


async def test_call_that_takes_the_place_of_another_is_where_that_one_is():
    async with house(2) as (parent, caller):
        await call_up(caller, "first", "old")
        tag = caller.tag_of("old")
        replaces = f"Replaces: old;to-tag={tag};from-tag=caller\r\n"
        assert (await caller.call("new", extra=replaces)).startswith("SIP/2.0 200")
        assert [worker.call_ids for worker in parent.workers] == [["first"], ["old", "new"]]


async def test_cancel_reaches_the_worker_that_rings():
    async with house(2) as (parent, caller):
        await call_up(caller, "first")
        for worker in parent.workers:
            worker.endpoint._on_call = worker.calls.append  # pyright: ignore[reportPrivateUsage]  rings on
        caller.send("INVITE", "second")
        await until(lambda: parent.workers[1].calls)
        caller._branches -= 1  # pyright: ignore[reportPrivateUsage]  CANCEL has the INVITE's branch
        caller.send("CANCEL", "second")
        assert (await caller.answer("second", "CANCEL")).startswith("SIP/2.0 200")
        assert (await caller.answer("second")).startswith("SIP/2.0 487")


async def test_garbage_is_dropped_and_counted():
    async with house(1) as (parent, caller):
        for garbage in (b"\0" * 500, b"\r\n\r\n", b"SIP/2.0 200 OK\r\nCall-ID: nobody\r\n\r\n"):
            caller.sockets[0].transport.sendto(garbage, parent.address)
        await until(lambda: parent.counted(Count.NO_SIP) == 3)
        assert parent.counted(Count.PASSED) == 0


async def test_worker_that_does_not_read_costs_others_nothing():
    async with house(2) as (parent, caller):
        await call_up(caller, "first", "second")
        asyncio.get_running_loop().remove_reader(parent.workers[0].wire._parent)  # pyright: ignore[reportPrivateUsage]
        for number in range(2_000):
            caller.send("INFO", "first", number=10 + number)
            if number % 50 == 0:
                await asyncio.sleep(0)
        await until(lambda: parent.counted(Count.NO_ROOM) > 0)
        caller.send("BYE", "second", number=2)
        await caller.answer("second", "BYE")
        assert parent.workers[1].ended == ["caller_hangup"]


async def test_calls_of_a_worker_that_died_are_unknown_and_others_go_on():
    async with house(2) as (parent, caller):
        await call_up(caller, "first", "second")
        parent.dispatcher.detach(1)
        caller.send("BYE", "second", number=2)
        assert (await caller.answer("second", "BYE")).startswith("SIP/2.0 481")
        await call_up(caller, "third", "fourth")
        caller.send("BYE", "first", number=2)
        assert (await caller.answer("first", "BYE")).startswith("SIP/2.0 200")
        assert parent.workers[0].call_ids == ["first", "third", "fourth"]


async def test_report_of_a_worker_settles_its_calls():
    async with house(2) as (parent, caller):
        await call_up(caller, "first")
        worker = parent.workers[0]
        worker.wire.report(worker.endpoint.call_ids)
        await asyncio.sleep(0.02)
        worker.closed = True  # a call that is up is never given back
        caller.send("INVITE", "first", number=2)
        await until(lambda: len([d for d in caller.sockets[0].datagrams if b"200 OK" in d]) == 2)
        assert parent.counted(Count.ASKED_AGAIN) == 0


async def test_worker_hears_that_its_parent_is_gone():
    async with house(1) as (parent, _):
        gone: list[bool] = []
        parent.workers[0].wire.on_parent_gone = lambda: gone.append(True)
        parent.dispatcher.close()
        await until(lambda: gone)


async def test_without_a_worker_nothing_is_answered_and_the_count_says_so():
    async with house(1) as (parent, caller):
        parent.dispatcher.detach(0)
        caller.send("INVITE", "one")
        await until(lambda: parent.counted(Count.NO_ROOM) == 1)


async def test_call_to_a_busy_phone_through_the_shared_port_is_refused():
    async with house(2) as (parent, _), phones(1) as (phone,):
        call = await parent.workers[1].endpoint.dial(
            DialOptions(target=phone.uri), media_port=MEDIA_PORT
        )
        leg = await phone.next_leg()
        await leg.reject(486)
        with pytest.raises(LegRefusedError) as refused:
            await call.answered()
        assert refused.value.status == 486
