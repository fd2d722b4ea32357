"""Keys: those of the number being keyed, and those that were pressed too early."""

from voice.keypad import Keypad


def test_keys_make_a_number_and_the_next_key_begins_another():
    keypad = Keypad(2.5)
    assert [keypad.press(key) for key in "48"] == [1, 2]
    assert keypad.take() == "48"
    assert keypad.press("1") == 1


def test_hash_ends_a_number_and_is_not_part_of_it():
    keypad = Keypad(2.5)
    keypad.press("4")
    assert keypad.press("#") == 1
    assert keypad.take() == "4"


def test_keys_that_wait_count_once():
    keypad = Keypad(2.5)
    keypad.keep_waiting("4", 100.0)
    keypad.keep_waiting("8", 102.0)
    assert keypad.waited(103.0) == "48"
    assert keypad.waited(103.0) == ""
    assert keypad.take() == ""


def test_keys_left_alone_for_longer_than_the_inter_digit_time_are_forgotten():
    keypad = Keypad(2.5)
    keypad.keep_waiting("4", 100.0)
    keypad.keep_waiting("8", 103.0)
    assert keypad.waited(105.0) == "8"
    keypad.keep_waiting("8", 106.0)
    assert keypad.waited(109.0) == ""
