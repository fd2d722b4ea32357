# ruff: noqa: SIM905 (phrases read better as a paragraph than as a list)
"""Requests put together from how people begin, what they want and how they end.

A hundred templates are soon known by heart; a model that hears them only guesses their ends. What
is composed here has ten thousands of forms, and slots in them like any template.
"""

import random
from typing import Final

OPENERS: Final = (
    "i want to|i want to|i'd like to|i would like to|i need to|i have to|can i|could i|may i|"
    "i'm calling to|i am calling to|i'm trying to|i was trying to|i was hoping to|help me|"
    "can you help me|please help me|how do i|how can i|is it possible to|i wanted to|let me|"
    "do i have to|am i able to|i'm going to|we need to|we'd like to|i just want to|i just need to"
).split("|")
ASKS: Final = (
    "can you|could you|would you|can you please|could you please|please|will you|can someone|"
    "could somebody|i need you to|i'd like you to|i want you to|just"
).split("|")
DEEDS: Final = (
    "check {the} {object}|change {the} {object}|cancel {the} {object}|track {the} {object}|"
    "return {the} {object}|exchange {the} {object}|update {the} {object}|find {the} {object}|"
    "pay for {the} {object}|send back {the} {object}|look up {the} {object}|fix {the} {object}|"
    "activate {the} {object}|renew {the} {object}|stop {the} {object}|replace {the} {object}|"
    "talk about {the} {object}|ask about {the} {object}|complain about {the} {object}|"
    "know where {the} {object} is|know when {the} {object} arrives|get {the} {object} repaired|"
    "look into {the} {object}|check on order {order}|look up order {order}|cancel order {order}|"
    "track order number {order}|change the address for order {order}|return order {order}|"
    "change my address to {address}|update my address to {address}|ship it to {address}|"
    "have it delivered to {address}|move to {address}|send a bill to {address}|"
    "book {a} appointment on {weekday}|book a table for {count}|change it to {weekday}|"
    "come in on {weekday} at {time}|move it to {weekday} at {time}|schedule it for {date}|"
    "move my appointment to {date}|pay {amount}|pay my bill of {amount}|transfer {amount}|"
    "get {amount} back|get a refund of {amount}|put {amount} on my card|change my pin to {four}|"
    "change my phone number to {phone}|use the number {phone}|add {name} to my account|"
    "speak with {name}|talk to {surname} in billing|leave a message for {name}|"
    "speak to someone about {the} {object}|talk to a manager|talk to a supervisor|"
    "talk to customer service|speak to a representative|speak to the sales department|"
    "give you my account number|give you my new address|use code {code}|enter the code {code}|"
    "order {count} more|buy {a} {object}|order {a} {object}|get {a} new {object}|"
    "hear that again|hear my options|go back to the menu|open an account|close my account|"
    "reset my password|unlock my account|change my password|report a problem|make a payment|"
    "make a complaint|file a claim|report it stolen|get a copy of {the} {object}"
).split("|")
FACTS: Final = (
    "{the} {object} is late|{the} {object} is missing|{the} {object} is wrong|"
    "{the} {object} is damaged|{the} {object} does not work|{the} {object} isn't working|"
    "{the} {object} stopped working on {weekday}|{the} {object} never came|"
    "{the} {object} came on {date}|{the} {object} was supposed to come on {weekday}|"
    "{the} {object} costs {amount}|the total was {amount}|you charged me {amount}|"
    "i paid {amount} on {date}|i paid for {the} {object} twice|i already paid {amount}|"
    "someone stole {the} {object}|i sent it back on {date}|i bought it on {date}|"
    "i ordered {the} {object} on {weekday}|it has been {count} days|i waited {count} weeks|"
    "it's for {name}|the account is under {name}|it is under the name {surname}|"
    "my wife is {name}|my husband's name is {name}|you can call me {surname}|"
    "my birthday is {date}|i was born {date}|it starts on {date}|the appointment was on {date}|"
    "we live at {address}|we just moved to {address}|the street is {street}|"
    "i live on {street}|the house number is {count}|the town is {city}|i'm in {city}|"
    "our zip is {zip}|the zip is {zip}|order number {order}|that is order {order}|"
    "the tracking number is {digits}|my member number is {digits}|my customer number is {digits}|"
    "my policy number is {digits}|card number ending in {four}|it ends in {four}|"
    "my cell is {phone}|my home number is {phone}|the booking code is {code}|"
    "my reference is {code}|the serial number is {code}|the first letter is {letter}|"
    "it's spelled {spelled}|that's {spelled}|that is spelled {spelled}|it's {time}|"
    "at about {time}|any time after {time}|before {time} on {weekday}|{weekday} works for me|"
    "i can do {weekday} or {weekday}|not {weekday}|in the {part}|tomorrow {part}|"
    "there is a problem with {the} {object}|i have a problem with {the} {object}|"
    "there is something wrong with {the} {object}|i have another question about {the} {object}|"
    "i don't have {the} {object}|i can't find {the} {object}|i did not order {a} {object}|"
    "it's about {the} {object}|this is about order {order}|i got the wrong {object}|"
    "there was no {object} in the box|the box was empty|nobody called me back|"
    "i have been waiting for {count} minutes|where did you send {the} {object}|"
    "how much is {the} {object}|how long does {the} {object} take|what happened to {the} {object}|"
    "when is {the} {object} coming|when do i get {the} {object}|why is {the} {object} so late|"
    "which {object} do you have|is {the} {object} ready|has {the} {object} been sent|"
    "did you get {the} {object}|did {the} {object} ship|are you open on {weekday}|"
    "are you open at {time}|do you close at {time}|who am i speaking to|what do i owe"
).split("|")
ENDINGS: Final = (
    "today|tomorrow|right now|as soon as possible|this week|next week|again|for me|if possible|"
    "before {weekday}|on {weekday}|by {date}|online|over the phone|with you|instead|this time|"
    "at {time}|this {part}|on my account|from last week|from last month"
).split("|")
PARTS: Final = ("morning", "afternoon", "evening")
THE: Final = ("the", "my", "my", "my", "our", "this", "that", "your", "a")


def composed(rng: random.Random) -> str:
    """One template, its slots still open but for the articles."""
    match rng.randrange(10):
        case 0 | 1 | 2 | 3:
            said = f"{rng.choice(OPENERS)} {rng.choice(DEEDS)}"
        case 4 | 5:
            said = f"{rng.choice(ASKS)} {rng.choice(DEEDS)}"
        case _:
            said = rng.choice(FACTS)
    if rng.random() < 0.2:
        said = f"{said} {rng.choice(ENDINGS)}"
    while "{the}" in said:
        said = said.replace("{the}", rng.choice(THE), 1)
    return said.replace("{a}", "a").replace("{part}", rng.choice(PARTS))
