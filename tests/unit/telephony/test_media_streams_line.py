import numpy as np

from telephony.media_streams.line import IncomingLine
from voice.codec import Codec, encode
from voice.frames import Pcm

QUIET = b"\xff" * 160


def speech(number: int) -> bytes:
    """A loud frame that no other is like."""
    pcm: Pcm = np.full(160, 2_000 + 1_000 * (number % 25), dtype=np.int16)
    return encode(Codec.PCMU, pcm)


def drain(line: IncomingLine) -> list[bytes]:
    return list(iter(line.pop, None))


def test_nothing_is_played_until_two_frames_are_there() -> None:
    line = IncomingLine()
    assert line.pop() is None
    line.put(speech(1), 1)
    assert line.pop() is None
    line.put(speech(2), 2)
    assert [line.pop(), line.pop(), line.pop()] == [speech(1), speech(2), None]


def test_a_line_run_dry_waits_for_two_frames_again() -> None:
    line = IncomingLine()
    line.put(speech(1) + speech(2), 1)
    drain(line)
    line.put(speech(3), 2)
    assert line.pop() is None
    line.put(speech(4), 3)
    assert drain(line) == [speech(3), speech(4)]


def test_slip_says_how_much_the_delay_has_changed() -> None:
    line, put = IncomingLine(), 0
    numbers, changes, slips = {speech(n): n for n in range(25)}, list[int](), list[int]()
    for tick in range(400):
        while put <= tick and not 100 <= tick < 115:  # 300 ms without a piece, then all at once
            line.put(speech(put), put)
            put += 1
        frame = line.pop()
        if frame is not None:
            changes.append((tick - numbers[frame]) % 25 - 1)
            slips.append(line.slip // 160)
    assert slips == changes
    assert max(slips) >= 12
    assert slips[-1] <= 10


def test_line_on_which_nothing_is_sent_for_long_has_not_slipped() -> None:
    line = IncomingLine()
    line.put(speech(1) + speech(2), 1)
    drain(line)
    for _ in range(500):
        line.pop()
    line.put(speech(3) + speech(4), 2)
    drain(line)
    assert line.slip == 0


def test_pieces_of_any_length_are_cut_into_frames() -> None:
    line, audio = IncomingLine(), speech(1) + speech(2) + speech(3)
    for chunk, at in enumerate(range(0, 480, 96)):
        line.put(audio[at : at + 96], chunk)
    assert drain(line) == [speech(1), speech(2), speech(3)]


def test_pieces_out_of_order_are_put_in_order() -> None:
    line = IncomingLine()
    for chunk in (1, 3, 4, 2):
        line.put(speech(chunk), chunk)
    assert drain(line) == [speech(1), speech(2), speech(3), speech(4)]


def test_a_missing_piece_is_given_up_when_the_line_runs_dry() -> None:
    line = IncomingLine()
    for chunk in (1, 2, 4, 5):
        line.put(speech(chunk), chunk)
    assert drain(line) == [speech(1), speech(2), speech(4), speech(5)]
    line.put(speech(3), 3)
    assert (line.late, line.buffered_ms) == (1, 0)


def test_a_missing_piece_is_given_up_when_too_many_wait_for_it() -> None:
    line = IncomingLine()
    line.put(speech(1), 1)
    for chunk in range(3, 12):
        line.put(speech(chunk), chunk)
    assert line.buffered_ms == 200


def test_a_piece_that_comes_twice_is_played_once() -> None:
    line = IncomingLine()
    for chunk in (1, 2, 2):
        line.put(speech(chunk), chunk)
    assert drain(line) == [speech(1), speech(2)]
    assert line.late == 1


def test_unnumbered_pieces_are_taken_as_they_come() -> None:
    line = IncomingLine()
    line.put(speech(1), None)
    line.put(speech(2), None)
    assert drain(line) == [speech(1), speech(2)]


def test_beyond_200_ms_the_oldest_quiet_goes_first() -> None:
    line = IncomingLine()
    quiet = [bytes([0xFF - number]) * 160 for number in range(4)]
    line.put(b"".join([speech(0), *quiet, *map(speech, range(1, 8))]), 1)
    assert line.buffered_ms == 200
    assert drain(line) == [speech(0), *quiet[2:], *map(speech, range(1, 8))]


def test_up_to_200_ms_quiet_is_kept() -> None:
    line = IncomingLine()
    line.put(QUIET * 10, 1)
    assert (line.buffered_ms, line.skipped) == (200, 0)


def test_speech_that_comes_late_is_kept_up_to_a_second() -> None:
    line = IncomingLine()
    for number in range(60):
        line.put(speech(number), number)
    assert (line.buffered_ms, line.skipped) == (1_000, 10)
    assert line.pop() == speech(10)


def test_delay_of_endless_speech_sinks_by_one_frame_in_ten() -> None:
    line = IncomingLine()
    line.put(b"".join(map(speech, range(30))), 1)
    for chunk in range(2, 222):
        line.pop()
        line.put(speech(chunk), chunk)
    assert line.buffered_ms == 200
    assert line.skipped == 20


def test_delay_is_gone_at_the_next_pause() -> None:
    line = IncomingLine()
    line.put(b"".join(map(speech, range(12))), 1)
    for chunk in range(2, 12):
        line.put(QUIET, chunk)
    assert line.buffered_ms == 240
    line.pop()
    line.pop()
    line.put(QUIET, 12)
    assert line.buffered_ms == 200


def test_delay_of_a_stall_is_given_back_in_the_next_quiet() -> None:
    line = IncomingLine()
    line.put(b"".join(speech(number) for number in range(9)), 1)  # came late, all at once
    played: list[bytes | None] = []
    for chunk in range(2, 122):
        line.put(speech(chunk) if chunk < 82 else QUIET, chunk)
        played.append(line.pop())
    assert line.buffered_ms <= 20
    assert [frame for frame in played if frame != QUIET] == [
        *(speech(number) for number in range(9)),
        *(speech(chunk) for chunk in range(2, 82)),
    ], "no word of it is lost"


def test_delay_that_uneven_pieces_need_is_kept() -> None:
    line = IncomingLine()
    for chunk in range(100):
        if chunk % 5 == 0:  # 100 ms at a time
            line.put(QUIET * 5, chunk // 5)
        line.pop()
    heard = 0
    for chunk in range(100, 300):
        if chunk % 5 == 0:
            line.put(QUIET * 5, chunk // 5)
        heard += line.pop() is not None
    assert heard >= 199
    assert line.skipped <= 3
