"""A model's summary over HTTP: on time and borne out by the record, or the templated one."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from server.handoff.llm_summary import ModelOptions, ModelSummariser
from server.web import serving
from tests.fakes.handoff_contexts import handoff_context

CONTEXT = handoff_context()
GOOD = ["They want the address on order 4815 changed.", "They were verified."]


@dataclass
class Model:
    """Says what it is told to, in the shape of the API."""

    content: Any = None
    delay_s: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    authorised: list[str] = field(default_factory=list[str])

    async def complete(self, request: Request) -> Any:
        self.asked.append(await request.json())
        self.authorised.append(request.headers.get("authorization", ""))
        await asyncio.sleep(self.delay_s)
        return {"choices": [{"message": {"content": self.content}}]}


@asynccontextmanager
async def model(
    content: Any, *, deadline_s: float = 10.0, delay_s: float = 0.0
) -> AsyncGenerator[tuple[Model, ModelSummariser], None]:
    app, speaking = FastAPI(), Model(content=content, delay_s=delay_s)
    app.post("/v1/chat/completions")(speaking.complete)
    async with serving(app, "127.0.0.1", 0) as url, httpx.AsyncClient() as client:
        options = ModelOptions(url=f"{url}/v1", model="small", token="t0ken", deadline_s=deadline_s)
        yield speaking, ModelSummariser(client, options)


def sentences(*texts: str) -> str:
    return json.dumps({"sentences": texts})


async def test_sentences_that_the_record_bears_out_are_the_summary() -> None:
    async with model(sentences(*GOOD)) as (speaking, summariser):
        assert await summariser.summarise(CONTEXT) == tuple(GOOD)
    (asked,) = speaking.asked
    assert asked["response_format"]["json_schema"]["strict"] is True
    assert speaking.authorised == ["Bearer t0ken"]
    assert "15550100" not in json.dumps(asked), "the caller's number is no part of a summary"
    assert "four eight one five" in asked["messages"][1]["content"]


async def test_invented_sentence_is_left_out() -> None:
    async with model(sentences(GOOD[0], "The address was changed.")) as (_, summariser):
        assert await summariser.summarise(CONTEXT) == (GOOD[0],)


@pytest.mark.parametrize(
    "content",
    [
        sentences("Mr Smith called.", "Order 9999 was refunded."),
        sentences(),
        sentences(*["They called."] * 4),
        json.dumps({"sentences": [1]}),
        json.dumps(["They called."]),
        "They called.",
        None,
    ],
)
async def test_answer_that_will_not_do_gives_the_template(content: Any) -> None:
    async with model(content) as (_, summariser):
        assert await summariser.summarise(CONTEXT) == CONTEXT.summary


async def test_model_that_is_late_or_gone_gives_the_template() -> None:
    async with model(sentences(*GOOD), delay_s=0.5, deadline_s=0.05) as (_, summariser):
        assert await summariser.summarise(CONTEXT) == CONTEXT.summary
    async with httpx.AsyncClient() as client:
        nobody = ModelSummariser(client, ModelOptions(url="http://127.0.0.1:9/v1", model="x"))
        assert await nobody.summarise(CONTEXT) == CONTEXT.summary
