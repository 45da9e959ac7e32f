"""Signatures of notifications: HMAC-SHA256 over the body as it was sent, in hexadecimal.

| header | who sends it |
|---|---|
| `X-Signature: <hex>` | Medplum, where the Subscription names a secret |
| `X-Hub-Signature: sha256=<hex>`, `X-Hub-Signature-256` | athenahealth; WebSub in general |

Pure. A signature that was sent must be right, whatever else the sender knows: a wrong one means
that the body was changed on the way, or that it is not the sender's.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256

_HEADERS = ("x-signature", "x-hub-signature-256", "x-hub-signature")


def signature_of(headers: Mapping[str, str]) -> str | None:
    """The signature that a request carries, in lower-case hexadecimal; None when it has none.

    Header names are lower case. A header of another algorithm (`sha1=…`) counts as a wrong one.
    """
    for name in _HEADERS:
        if (said := headers.get(name)) is not None:
            return said.strip().lower().removeprefix("sha256=")
    return None


def is_signed(signature: str, body: bytes, secrets: Iterable[str]) -> bool:
    """Was the body signed with one of these secrets? Compares in constant time."""
    given = signature.encode()
    right = [
        hmac.compare_digest(given, hmac.new(secret.encode(), body, sha256).hexdigest().encode())
        for secret in secrets
    ]
    return any(right)
