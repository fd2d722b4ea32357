import asyncio

import pytest

from telephony.media_streams.outbox import ClearAudio, Outbox, Outgoing, SendAudio, SendMark


def audio(number: int) -> SendAudio:
    return SendAudio(payload=bytes([number]))


async def take(outbox: Outbox, count: int) -> list[Outgoing]:
    return [await outbox.get() for _ in range(count)]


async def is_empty(outbox: Outbox) -> bool:
    task = asyncio.create_task(outbox.get())
    for _ in range(3):
        await asyncio.sleep(0)
    waiting = not task.done()
    task.cancel()
    return waiting


def fill(outbox: Outbox, count: int) -> None:
    for number in range(count):
        outbox.put(bytes([number]))


async def test_frames_leave_in_order() -> None:
    outbox = Outbox()
    fill(outbox, 10)
    assert await take(outbox, 10) == [audio(number) for number in range(10)]
    assert await is_empty(outbox)
    assert outbox.dropped == 0


async def test_a_waiting_writer_gets_the_next_frame() -> None:
    outbox = Outbox()
    task = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    fill(outbox, 1)
    assert await task == audio(0)


async def test_after_a_stall_the_carrier_is_cleared_and_only_the_newest_is_sent() -> None:
    outbox = Outbox()
    fill(outbox, 11)
    assert await take(outbox, 3) == [ClearAudio(), audio(9), audio(10)]
    assert await is_empty(outbox)
    assert outbox.dropped == 9


async def test_only_a_stall_clears() -> None:
    outbox = Outbox()
    fill(outbox, 11)
    await take(outbox, 3)
    fill(outbox, 10)
    assert await take(outbox, 1) == [audio(0)]


@pytest.mark.parametrize("count", [0, 3])
async def test_the_mark_comes_after_all_audio_and_is_the_last(count: int) -> None:
    outbox = Outbox()
    fill(outbox, count)
    outbox.finish("end")
    fill(outbox, 1)
    expected = [audio(number) for number in range(count)]
    assert await take(outbox, count + 1) == [*expected, SendMark(name="end")]
    fill(outbox, 1)
    assert await is_empty(outbox)
