"""`/notify/{server}/{key}` and anything below it: every dialect, acknowledged when durable.

| answer | when |
|---|---|
| as the dialect wants (200) | the delivery is on disk |
| 401 | no Subscription of ours has this address and secret; nothing is kept |
| 413 | more than `LARGEST` bytes; `fhir.payload` bounds them once unpacked |
| 503, Retry-After | it cannot be kept now; the sender comes again |

A plain Starlette route: on this path every microsecond is multiplied by all changes of all
servers, and there is nothing for a framework to validate.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from fhirbridge.bridge.bridge import Bridge
from fhirbridge.bridge.intake import Refused
from fhirbridge.logs import named
from fhirbridge.store.records import StoreError

log = logging.getLogger("fhirbridge.web")

LARGEST = 5 * 2**20
_RETRY = {"Retry-After": "5"}


class TooLarge(Exception):
    """More than `LARGEST` bytes."""


def routes(bridge: Bridge) -> list[Route]:
    """The routes of the notify door."""

    async def hear(request: Request) -> Response:
        where = request.path_params
        try:
            body = await _body(request)
            kept = bridge.hear(
                where["server"],
                where["key"],
                request.method,
                where.get("below", ""),
                {name.lower(): value for name, value in request.headers.items()},
                body,
            )
            await asyncio.wrap_future(kept.on_disk)
        except Refused:
            return PlainTextResponse("unknown address or secret\n", 401)
        except TooLarge:
            return PlainTextResponse(f"at most {LARGEST} bytes\n", 413)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except StoreError as error:
            log.error("a delivery of %s could not be kept: %s", where["server"], error)
            return PlainTextResponse("cannot be kept now, come again\n", 503, _RETRY)
        except Exception as error:  # noqa: BLE001 - a defect of ours: the sender keeps it for us
            log.error("a delivery of %s met a defect: %s", where["server"], named(error))
            return PlainTextResponse("cannot be kept now, come again\n", 503, _RETRY)
        answer = kept.answer
        headers = {"Content-Type": answer.content_type} if answer.content_type else None
        return Response(answer.body, answer.status, headers)

    methods = ["PUT", "POST", "DELETE"]
    return [
        Route("/notify/{server}/{key}", hear, methods=methods),
        Route("/notify/{server}/{key}/{below:path}", hear, methods=methods),
    ]


async def _body(request: Request) -> bytes:
    """The body as it was sent, bounded."""
    if int(request.headers.get("content-length") or 0) > LARGEST:
        raise TooLarge
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > LARGEST:
            raise TooLarge
    return bytes(received)
