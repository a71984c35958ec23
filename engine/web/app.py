"""Submit, follow and fetch over HTTP. Every path but the description asks for the token.

Jobs and events are the same plain data as in the protocol; errors are its ``Refused``.
"""

import asyncio
import base64
import binascii
import contextlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from protocol import replies, requests
from protocol.client import Answer, EngineClient, Fetched
from protocol.errors import EngineError
from protocol.events import ENDS
from protocol.limits import short
from protocol.lookup import lookup, only
from protocol.plain import from_dict, tag, to_dict
from protocol.wire import LARGEST_BUFFER, Shaped

from .schema import check_known, schema_of

TICK = 0.02
"""Seconds between looks at the engine."""
PATIENCE = 60.0
QUIET_SECONDS = 5.0
"""After so long without a request the engine is left: who only might ask does not keep it."""
_STATUS = {"token_wrong": 401, "job_unknown": 404, "part_unknown": 404, "part_missing": 404}


class Web:
    """The application.

    Args:
        connect: makes a client of the engine, whenever one is needed.
        token: gives what has to be sent as ``Authorization: Bearer``.
    """

    def __init__(self, connect: Callable[[], EngineClient], token: Callable[[], str]) -> None:
        self._connect, self._token = connect, token
        self._connected: EngineClient | None = None
        self._asked = 0.0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._followers: dict[str, list[asyncio.Queue[Any]]] = {}

    def app(self) -> Starlette:
        routes = [
            Route("/openapi.json", self._description),
            Route("/v1/status", self._guarded(self._status)),
            Route("/v1/jobs", self._guarded(self._jobs), methods=["GET", "POST"]),
            Route("/v1/jobs/{job}", self._guarded(self._job)),
            Route("/v1/jobs/{job}/cancel", self._guarded(self._cancel), methods=["POST"]),
            Route("/v1/jobs/{job}/events", self._guarded(self._events)),
            Route("/v1/jobs/{job}/parts/{name}", self._guarded(self._part)),
        ]
        return Starlette(
            routes=routes,
            lifespan=self._lifespan,
            exception_handlers={HTTPException: _no_route, Exception: _fault},
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        polling = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            polling.cancel()
            if self._connected is not None:
                self._connected.close()

    @property
    def _client(self) -> EngineClient:
        self._asked = time.monotonic()
        if self._connected is None:
            self._connected = self._connect()
        return self._connected

    def _is_quiet(self, client: EngineClient) -> bool:
        busy = self._answers or self._followers or client.fetching
        return not busy and time.monotonic() - self._asked > QUIET_SECONDS

    async def _poll(self) -> None:
        while True:
            client = self._connected
            if client is None:
                await asyncio.sleep(TICK)
                continue
            if self._is_quiet(client):
                client.close()
                self._connected = None
                continue
            for told in client.poll(0.01):
                if isinstance(told, Answer | Fetched):
                    future = self._answers.pop(told.id, None)
                    if future is not None and not future.done():
                        future.set_result(told)
                else:
                    for queue in self._followers.get(getattr(told, "job", ""), ()):
                        queue.put_nowait(told)
            await asyncio.sleep(0 if client.fetching else TICK)

    async def _told(self, id: int) -> Any:
        """The answer or part of an id.

        Raises:
            EngineError: what the engine refused with; ``no_answer``.
        """
        self._answers[id] = asyncio.get_running_loop().create_future()
        try:
            told = await asyncio.wait_for(self._answers[id], PATIENCE)
        except TimeoutError:
            self._answers.pop(id, None)
            raise self._client.problem or EngineError(
                "no_answer", "The engine did not answer.", "Try again."
            ) from None
        if isinstance(told, Answer):
            if isinstance(told.reply, replies.Refused):
                raise told.reply.error()
            return told.reply
        return told

    async def _ask(self, message: Any, buffers: Mapping[str, Shaped] | None = None) -> Any:
        return await self._told(self._client.request(message, buffers))

    def _guarded(self, handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def guarded(request: Request) -> Response:
            host = request.headers.get("host", "").rpartition(":")[0]
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            try:
                # A page of the web whose name points here must not get in.
                if host not in ("127.0.0.1", "localhost") or not hmac.compare_digest(
                    given.encode(), self._token().encode()
                ):
                    raise EngineError(
                        "token_wrong",
                        "This needs the token of the engine.",
                        "Send 'Authorization: Bearer' and the token of engine.json.",
                    )
                return await handler(request)
            except EngineError as error:
                content = to_dict(replies.Refused.of(error))
                return JSONResponse(content, _STATUS.get(error.code, 400))

        return guarded

    async def _named(self, request: Request) -> str:
        """The id of the job in the path, which may give the beginning of it.

        Raises:
            EngineError: ``job_unknown``, ``job_ambiguous``.
        """
        begins = request.path_params["job"]
        return only(await self._ask(lookup(begins)), begins)

    async def _status(self, request: Request) -> Response:
        return JSONResponse(to_dict(await self._ask(requests.GetStatus())))

    async def _jobs(self, request: Request) -> Response:
        return await (self._submit if request.method == "POST" else self._list)(request)

    async def _list(self, request: Request) -> Response:
        after = request.query_params.get("after")
        return JSONResponse(to_dict(await self._ask(requests.ListJobs(after=after))))

    async def _submit(self, request: Request) -> Response:
        """{"job": ..., "attached": {name: base64}, "finish": ..., "title": ..., "priority": ...}"""
        body = await _body(request)
        try:
            content = json.loads(body)
            if not isinstance(content, dict):
                raise ValueError("it is no object")
            attached = {
                str(name): Shaped.of_file(base64.b64decode(data, validate=True))
                for name, data in dict(content.pop("attached", {})).items()
            }
        except (ValueError, TypeError, RecursionError, binascii.Error) as error:
            raise EngineError(
                "body_invalid", f"The body cannot be read: {error}.", "Send JSON as described."
            ) from error
        check_known(_SUBMIT, content)
        submit = from_dict(requests.Submit, {"id": requests.new_job_id(), **content})
        return JSONResponse(to_dict(await self._ask(submit, attached)), 201)

    async def _job(self, request: Request) -> Response:
        snapshot = await self._ask(requests.Attach(job=await self._named(request)))
        return JSONResponse(to_dict(snapshot))

    async def _cancel(self, request: Request) -> Response:
        return JSONResponse(
            to_dict(await self._ask(requests.Cancel(job=await self._named(request))))
        )

    async def _events(self, request: Request) -> Response:
        """Server-sent events: the job as it is now, then what happens, up to its end."""
        job = await self._named(request)
        queue: asyncio.Queue[Any] = asyncio.Queue()
        followers = self._followers.setdefault(job, [])
        followers.append(queue)
        try:
            snapshot = await self._ask(requests.Attach(job=job))
        except BaseException:
            self._leave(job, queue)
            raise

        async def stream() -> AsyncIterator[str]:
            try:
                yield _event(snapshot)
                over = snapshot.row.state in ("done", "failed", "cancelled")
                while not over:
                    told = await queue.get()
                    yield _event(told)
                    over = isinstance(told, ENDS)
            finally:
                self._leave(job, queue)

        return StreamingResponse(stream(), media_type="text/event-stream")

    def _leave(self, job: str, queue: "asyncio.Queue[Any]") -> None:
        followers = self._followers.get(job, [])
        followers.remove(queue)
        if not followers:
            self._followers.pop(job, None)

    async def _part(self, request: Request) -> Response:
        """The bytes of a part; its layout is in the header X-Maquette-Layout."""
        job = await self._named(request)
        fetched = await self._told(self._client.fetch(job, request.path_params["name"]))
        head, layout = fetched.head, fetched.head.layout
        # A file is sent as itself, without what aligns it.
        size = layout.size if layout.kind == "file" else head.size
        headers = {
            "X-Maquette-Layout": json.dumps(to_dict(layout)),
            "X-Maquette-SHA256": head.sha256,
        }
        return Response(
            bytes(fetched.data[:size]), headers=headers, media_type="application/octet-stream"
        )

    async def _description(self, request: Request) -> Response:
        return JSONResponse(description())


async def _body(request: Request) -> bytes:
    """
    Raises:
        EngineError: ``message_too_large``.
    """
    pieces, size = list[bytes](), 0
    async for piece in request.stream():
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_BUFFER:
            raise EngineError("message_too_large", "The body is too large.", "Send a smaller file.")
    return b"".join(pieces)


async def _no_route(request: Request, error: Exception) -> Response:
    """A path that there is not, or another method than it takes."""
    if not isinstance(error, HTTPException):
        raise error
    asked, hint = f"{request.method} {short(request.url.path)}", "See /openapi.json."
    if error.status_code == 405:
        allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        refused = EngineError("method_unknown", f"{asked} is not possible.", f"Use {allowed}.")
    elif error.status_code == 404:
        refused = EngineError("route_unknown", f"Nothing is known at {asked}.", hint)
    else:
        refused = EngineError("request_invalid", f"{asked}: {error.detail}.", hint)
    return JSONResponse(to_dict(replies.Refused.of(refused)), error.status_code, error.headers)


async def _fault(request: Request, error: Exception) -> Response:
    """What nobody foresaw; the server logs it."""
    del request, error
    fault = EngineError(
        "internal", "The HTTP face made a mistake.", "Report it with the log of the engine."
    )
    return JSONResponse(to_dict(replies.Refused.of(fault)), 500)


def _event(message: Any) -> str:
    return f"event: {tag(type(message))}\ndata: {json.dumps(to_dict(message))}\n\n"


def _submit_schema() -> dict[str, Any]:
    """Of a submit's body: ``Submit`` without need of an id, and what is attached, in base64."""
    schema = schema_of(requests.Submit)
    attached = {"type": "object", "additionalProperties": {"type": "string"}}
    return schema | {
        "properties": schema["properties"] | {"attached": attached},
        "required": ["job"],
    }


_SUBMIT = _submit_schema()


def description() -> dict[str, Any]:
    """OpenAPI 3.1."""
    body = {"required": True, "content": {"application/json": {"schema": _SUBMIT}}}
    paths = {
        "/v1/status": {"get": _operation("How the engine is", replies.Status)},
        "/v1/jobs": {
            "get": _operation("Jobs, newest first; ?after=ID is the next page", replies.JobList),
            "post": _operation(
                "Put a job into the queue; what it names as attached comes as base64",
                replies.Submitted,
                "201",
            )
            | {"requestBody": body},
        },
        "/v1/jobs/{job}": {"get": _operation("All about a job", replies.JobSnapshot)},
        "/v1/jobs/{job}/cancel": {"post": _operation("Stop a job", replies.Accepted)},
        "/v1/jobs/{job}/events": {
            "get": {
                "summary": "Server-sent events: job_snapshot, then the events of docs/protocol.md",
                "responses": {"200": {"description": "ok", "content": {"text/event-stream": {}}}},
            }
        },
        "/v1/jobs/{job}/parts/{name}": {
            "get": {
                "summary": "The bytes of a part; the header X-Maquette-Layout says what is where",
                "responses": {
                    "200": {"description": "ok", "content": {"application/octet-stream": {}}}
                },
            }
        },
    }
    for path, operations in paths.items():
        names = [name for name in ("job", "name") if f"{{{name}}}" in path]
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
        for operation in operations.values():
            operation["parameters"] = parameters
    return {
        "openapi": "3.1.0",
        "info": {"title": "Maquette", "version": "1"},
        "paths": paths,
        "security": [{"token": []}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(summary: str, reply: type[Any], status: str = "200") -> dict[str, Any]:
    content = {"application/json": {"schema": schema_of(reply)}}
    refused = {"application/json": {"schema": schema_of(replies.Refused)}}
    return {
        "summary": summary,
        "responses": {
            status: {"description": "ok", "content": content},
            "default": {"description": "refused", "content": refused},
        },
    }
