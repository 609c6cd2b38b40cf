"""FastAPI + ONNX Runtime, as a typical engineer writes it; run with 2 uvicorn workers, each with one computing thread.

    MODELS=.cache uvicorn fastapi_reference.app:app --workers 2

It is given every advantage that costs a line: pictures come as the raw body (not as a form), uvicorn has uvloop and
httptools. The model runs in a thread, as FastAPI's manual asks of what blocks; with INLINE=1 it blocks the event loop,
which answers more small requests and lets everybody else wait.
"""
# mypy: disable-error-code="import-not-found,untyped-decorator,misc"

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from fastapi_reference.model import Classifier, session

MODELS = Path(os.environ["MODELS"])
INLINE = os.environ.get("INLINE") == "1"
THREADS = 1

app = FastAPI()
classify = {name: Classifier(MODELS / f"{name}.onnx", THREADS) for name in ("mobilenet", "resnet50")}
sessions = {name: session(MODELS / f"{name}.onnx", THREADS) for name in ("mobilenet", "uci")}


class House(BaseModel):
    """One row."""

    x: list[float]


class Houses(BaseModel):
    """What /uci takes."""

    feed: list[House]


class Tensor(BaseModel):
    """One picture as numbers."""

    image: list[list[list[float]]]


class Tensors(BaseModel):
    """What /tensor takes."""

    feed: list[Tensor]


@app.get("/health")
async def health() -> str:
    """For whoever waits for the start."""
    return "OK"


@app.post("/classify/{name}")
async def classify_picture(name: str, request: Request) -> dict[str, Any]:
    """W1, W1b."""
    return {"result": await run(classify[name], await request.body())}


@app.post("/uci")
async def price(houses: Houses) -> dict[str, Any]:
    """W3."""
    x = np.array([house.x for house in houses.feed], np.float32)
    return {"result": {"price": await run(predict, "uci", "x", x)}}


@app.post("/tensor")
async def scores(tensors: Tensors) -> dict[str, Any]:
    """W2."""
    x = np.array([tensor.image for tensor in tensors.feed], np.float32)
    return {"result": {"score": await run(predict, "mobilenet", "image", x)}}


@app.post("/raw")
async def raw_scores(request: Request) -> dict[str, Any]:
    """W2b: float32 as it lies in memory."""
    x = np.frombuffer(await request.body(), np.float32).reshape(1, 3, 224, 224)
    return {"result": {"score": await run(predict, "mobilenet", "image", x)}}


def predict(name: str, feed: str, x: np.ndarray[Any, Any]) -> Any:
    """Run a model."""
    return sessions[name].run(None, {feed: x})[0].tolist()


async def run(function: Callable[..., Any], *arguments: object) -> Any:
    """Call what takes time."""
    return function(*arguments) if INLINE else await run_in_threadpool(function, *arguments)
