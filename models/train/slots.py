# ruff: noqa: SIM905 (a hundred words read better as a paragraph than as a list)
"""What callers put into slots: digits, amounts, dates, names, addresses, codes, as spoken."""

import random
from typing import Final

DIGITS: Final = "zero one two three four five six seven eight nine".split()
TEENS: Final = (
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
)
TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS: Final = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split() + [
    f"twenty {n}" for n in "first second third fourth fifth sixth seventh eighth ninth".split()
]
DAYS: Final = (*ORDINALS, "thirtieth", "thirty first")
MONTHS: Final = (
    "january february march april may june july august september october november december".split()
)
WEEKDAYS: Final = "monday tuesday wednesday thursday friday saturday sunday".split()
LETTERS: Final = tuple("abcdefghijklmnopqrstuvwxyz")
ALPHABET: Final = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar "
    "papa quebec romeo sierra tango uniform victor whiskey xray yankee zulu"
).split()
GIVEN: Final = (
    "james mary john patricia robert jennifer michael linda william elizabeth david barbara "
    "richard susan joseph jessica thomas sarah charles karen daniel nancy matthew lisa anthony "
    "betty mark sandra steven ashley paul kim andrew donna joshua emily kevin carol brian amanda "
    "george melissa edward deborah ronald stephanie timothy rebecca jason laura jeffrey sharon "
    "ryan cynthia jacob kathleen gary amy nicholas angela eric anna jonathan ruth stephen brenda "
    "larry pamela justin nicole scott katherine brandon samantha benjamin christine samuel emma "
    "gregory catherine frank virginia alexander rachel raymond maria patrick janet jack diane "
    "dennis olivia jerry grace peter alice henry julia adam heather nathan victoria"
).split()
SURNAMES: Final = (
    "smith johnson williams brown jones garcia miller davis wilson anderson taylor moore jackson "
    "martin lee thompson white harris clark lewis walker hall allen young king wright scott green "
    "baker adams nelson hill campbell mitchell roberts carter phillips evans turner parker "
    "collins edwards stewart morris murphy cook rogers morgan cooper peterson reed bailey bell "
    "kelly howard ward cox richardson wood watson brooks bennett gray hughes price myers long "
    "foster sanders ross powell sullivan russell fisher henderson hamilton graham wallace west "
    "hunt stone black mason knight webb andrews grant shaw holmes rice palmer robertson"
).split()
STREETS: Final = (
    "main oak pine maple cedar elm washington lake hill park walnut spring north south ridge "
    "church willow mill sunset river highland center market broadway victoria station high queen "
    "king green school bridge garden forest meadow cherry birch chestnut lincoln jefferson "
    "madison jackson franklin west east first second third fourth fifth sixth seventh eighth "
    "ninth tenth railroad college prospect pleasant valley orchard lakeview hillside dogwood "
    "harbor rose magnolia poplar laurel holly hickory manor castle albert new old london windsor"
).split()
WAYS: Final = (
    "street street street avenue avenue road road drive lane boulevard court way place terrace "
    "square close crescent circle"
).split()
CITIES: Final = (
    "chicago|boston|denver|seattle|austin|dallas|houston|phoenix|portland|atlanta|miami|new york|"
    "los angeles|san francisco|san diego|springfield|springfield|cleveland|columbus|detroit|"
    "memphis|nashville|ashford|oxford|cambridge|london|leeds|bristol|york|manchester|birmingham|"
    "liverpool|greenville|franklin|clinton|madison|salem|fairview|georgetown|arlington|"
    "burlington|riverside|oakland|richmond|charlotte|orlando|tampa|buffalo|rochester|hartford"
).split("|")
THINGS: Final = (
    "order order order package package parcel delivery shipment account bill invoice payment "
    "refund return subscription card password appointment address phone email plan service "
    "internet router line policy claim balance statement warranty product item shoes laptop "
    "jacket charger table chair lamp book watch camera"
).split()
VOCABULARY: Final = sorted(
    {*DIGITS, *TEENS, *TENS, *ORDINALS[:20], *MONTHS, *WEEKDAYS, *ALPHABET, *GIVEN, *SURNAMES}
    | {*STREETS, *WAYS, *THINGS}
)
_LENGTHS: Final = (1, 2, 3, 4, 4, 4, 5, 5, 5, 6, 6, 7, 8, 9, 10, 10, 11, 12)


def digit(rng: random.Random) -> str:
    return rng.choice(DIGITS)


def string(rng: random.Random, length: int) -> str:
    """Digits one by one: runs of one digit more often than by chance, "oh" by whole strings."""
    runs = rng.random() < 0.35
    found: list[int] = []
    while len(found) < length:
        again = runs and found and rng.random() < 0.4
        found.append(found[-1] if again else rng.randrange(10))
    nought = "oh" if rng.random() < 0.3 else "zero"
    if rng.random() < 0.12:
        return _doubled(found, nought)
    return " ".join(nought if n == 0 else DIGITS[n] for n in found)


def _doubled(numbers: list[int], nought: str) -> str:
    """With "double five" and "triple five" where digits repeat."""
    words: list[str] = []
    at = 0
    while at < len(numbers):
        run = 1
        while run < 3 and at + run < len(numbers) and numbers[at + run] == numbers[at]:
            run += 1
        name = nought if numbers[at] == 0 else DIGITS[numbers[at]]
        words.append(name if run == 1 else f"{'double' if run == 2 else 'triple'} {name}")
        at += run
    return " ".join(words)


def digits(rng: random.Random) -> str:
    """A number of one to twelve digits; some in pairs, like "forty two seventeen"."""
    if rng.random() < 0.1:
        return " ".join(pair(rng) for _ in range(rng.randint(1, 3)))
    return string(rng, rng.choice(_LENGTHS))


def order(rng: random.Random) -> str:
    return pair(rng) + " " + pair(rng) if rng.random() < 0.06 else string(rng, 4)


def zip_code(rng: random.Random) -> str:
    return string(rng, 5)


def four(rng: random.Random) -> str:
    return string(rng, 4)


def phone(rng: random.Random) -> str:
    return string(rng, rng.choice((7, 10, 10, 10, 11)))


def pair(rng: random.Random) -> str:
    """A number from 10 to 99."""
    return words_for(rng.randint(10, 99))


def count(rng: random.Random) -> str:
    return words_for(rng.randint(1, 20) if rng.random() < 0.7 else rng.randint(21, 99))


def number(rng: random.Random) -> str:
    """A number as in amounts and house numbers, small ones more often."""
    top = rng.choice((20, 99, 99, 999, 999, 9_999, 99_999))
    return words_for(rng.randint(1, top), joiner=rng.choice(("", "and ")))


def words_for(value: int, joiner: str = "") -> str:
    """A whole number below a thousand million in words."""
    if value < 10:
        return DIGITS[value]
    if value < 20:
        return TEENS[value - 10]
    if value < 100:
        rest = value % 10
        return TENS[value // 10 - 2] + (f" {DIGITS[rest]}" if rest else "")
    for size, name in ((1_000_000, "million"), (1_000, "thousand"), (100, "hundred")):
        if value >= size:
            head, rest = divmod(value, size)
            tail = f" {joiner if rest < 100 else ''}{words_for(rest, joiner)}" if rest else ""
            return f"{words_for(head, joiner)} {name}{tail}"
    raise AssertionError(value)


def amount(rng: random.Random) -> str:
    whole = number(rng)
    match rng.randrange(6):
        case 0:
            return f"{whole} dollars and {words_for(rng.randint(1, 99))} cents"
        case 1:
            return f"{words_for(rng.randint(2, 99))} {words_for(rng.randint(11, 99))}"
        case 2:
            return f"{whole} pounds"
        case 3:
            return f"{words_for(rng.randint(1, 99))} euros"
        case _:
            return f"{whole} dollars"


def name(rng: random.Random) -> str:
    return f"{rng.choice(GIVEN)} {rng.choice(SURNAMES)}"


def surname(rng: random.Random) -> str:
    return rng.choice(SURNAMES)


def year(rng: random.Random) -> str:
    match rng.randrange(4):
        case 0:
            return f"nineteen {words_for(rng.randint(20, 99))}"
        case 1:
            return f"twenty {words_for(rng.randint(10, 30))}"
        case 2:
            return f"two thousand and {DIGITS[rng.randint(1, 9)]}"
        case _:
            return f"nineteen {TENS[rng.randint(2, 7)]} {DIGITS[rng.randint(1, 9)]}"


def date(rng: random.Random) -> str:
    day, month = rng.choice(DAYS), rng.choice(MONTHS)
    said = rng.choice((f"{month} {day}", f"{month} the {day}", f"the {day} of {month}"))
    return said if rng.random() < 0.5 else f"{said} {year(rng)}"


def time_of_day(rng: random.Random) -> str:
    hour = words_for(rng.randint(1, 12))
    match rng.randrange(5):
        case 0:
            return f"{hour} o'clock"
        case 1:
            return f"{hour} thirty"
        case 2:
            return f"half past {hour}"
        case 3:
            return f"{rng.choice(('ten', 'twenty', 'quarter'))} {rng.choice(('to', 'past'))} {hour}"
        case _:
            return f"{hour} {rng.choice(('a m', 'p m'))}"


def address(rng: random.Random) -> str:
    """House number, street and, half the time, a town."""
    house = rng.choice((pair(rng), pair(rng), count(rng), number(rng), string(rng, 3), four(rng)))
    street = f"{house} {rng.choice(STREETS)} {rng.choice(WAYS)}"
    if rng.random() < 0.1:
        street = f"apartment {digit(rng)} {street}"
    return street if rng.random() < 0.5 else f"{street} {rng.choice(CITIES)}"


def code(rng: random.Random) -> str:
    """Three to seven letters and digits, a letter sometimes by its word or "a as in alpha"."""
    by_word = rng.random() < 0.3
    parts: list[str] = []
    for _ in range(rng.randint(3, 7)):
        at = rng.randrange(26)
        if rng.random() < 0.45:
            parts.append(digit(rng))
        elif by_word:
            parts.append(ALPHABET[at])
        else:
            parts.append(LETTERS[at])
    if rng.random() < 0.1:
        at = rng.randrange(26)
        parts = [f"{LETTERS[at]} as in {ALPHABET[at]}", *parts[:3]]
    return " ".join(parts)


def weekday(rng: random.Random) -> str:
    return rng.choice(WEEKDAYS)


def ordinal(rng: random.Random) -> str:
    return rng.choice((*ORDINALS[:6], "last", "other", "next"))


def thing(rng: random.Random) -> str:
    return rng.choice(THINGS)


def street(rng: random.Random) -> str:
    return f"{rng.choice(STREETS)} {rng.choice(WAYS)}"


def city(rng: random.Random) -> str:
    return rng.choice(CITIES)


def letter(rng: random.Random) -> str:
    return rng.choice(LETTERS)


def spelled(rng: random.Random) -> str:
    """A name letter by letter, six letters at most."""
    return " ".join(rng.choice((*GIVEN, *SURNAMES))[:6])
