"""Signing in at a server that we play: tokens, and every refusal with what to change."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from fhirbridge.fhir import jsonio
from fhirbridge.fhir.auth import NONE
from fhirbridge.fhir.client import Server
from fhirbridge.fhir.errors import FhirError, Forbidden, Unavailable
from fhirbridge.fhir.http import Http
from fhirbridge.fhir.keys import Keyring
from fhirbridge.fhir.proofs import REFUSALS, Assertion, Proof, Secret
from fhirbridge.fhir.scopes import needs
from fhirbridge.fhir.sharing import Shared
from fhirbridge.fhir.smart import Backend
from tests.fhir.wire import NOW, SECRET

BASE = "https://ehr.example/fhir"
TOKEN_URL = "https://ehr.example/token"
RING = Keyring.made(NOW)
NEEDS = needs(["Task"], push=False, writes=False)
SMART = {
    "token_endpoint": TOKEN_URL,
    "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
    "capabilities": ["permission-v2"],
}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class SignIn(httpx.BaseTransport):
    """A server with SMART: `tokens` it gave, `forms` it was sent, `refusal` if it gives none;
    `before` is called before it answers."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.smart = clock, dict(SMART)
        self.tokens: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.headers: list[httpx.Headers] = []
        self.more: dict[str, Any] = {}
        self.refusal: Callable[[], httpx.Response] | None = None
        self.before: Callable[[], object] = lambda: None
        self.valid: set[str] = set()
        self.skew = timedelta(0)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._answer(request)
        answer.headers["date"] = format_datetime(self.clock() + self.skew, usegmt=True)
        return answer

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/.well-known/smart-configuration"):
            return said(self.smart) if self.smart else said({}, 404)
        if str(request.url) == TOKEN_URL:
            self.before()
            form = parse_qs(request.read().decode())
            self.forms.append({name: value for name, (value,) in form.items()})
            self.headers.append(request.headers)
            if self.refusal is not None:
                return self.refusal()
            self.tokens.append(f"token-{len(self.tokens)}")
            self.valid = {self.tokens[-1]}
            return said({"access_token": self.tokens[-1], "token_type": "bearer", **self.more})
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.valid:
            return said({"resourceType": "OperationOutcome", "issue": []}, 401)
        return said({"resourceType": "Patient", "id": "p-1"})


def said(document: Any, status: int = 200) -> httpx.Response:
    kind = {"content-type": "application/json"}
    return httpx.Response(status, content=jsonio.dumps(document), headers=kind)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sign_in(clock: Clock) -> SignIn:
    made = SignIn(clock)
    made.more = {"expires_in": 300}
    return made


_NUMBERS = itertools.count()
ASSERTION = Assertion("us", keys=lambda: RING, ids=lambda: f"id-{next(_NUMBERS)}")


def backend(sign_in: SignIn, proof: Proof | None = None, **more: Any) -> Backend:
    wire = Http(
        "ehr",
        auth=NONE,
        timeout=5,
        retries=0,
        max_bytes=10_000,
        sleep=lambda _: None,
        clock=sign_in.clock,
        transport=sign_in,
    )
    proof = proof or ASSERTION
    return Backend("ehr", BASE, proof, NEEDS, wire=wire, clock=sign_in.clock, **more)


def server(sign_in: SignIn, **more: Any) -> Server:
    auth = backend(sign_in, **more)
    return Server("ehr", BASE, auth=auth, transport=sign_in, clock=sign_in.clock)


# --- asking


def test_the_assertion_is_what_smart_asks_for(sign_in: SignIn) -> None:
    assert server(sign_in).get("Patient", "p-1") is not None
    (form,) = sign_in.forms
    assert form["grant_type"] == "client_credentials"
    assert form["scope"] == "system/Patient.rs system/Task.rs"
    assert form["client_assertion_type"].endswith(":jwt-bearer")
    published = KeySet.import_key_set(RING.public(NOW))  # type: ignore[arg-type]  # plain JSON, as servers read it
    token = jwt.decode(form["client_assertion"], published, algorithms=["ES384"])
    claims = token.claims
    assert token.header["kid"] == RING.signing(("ES384",), NOW).kid
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("us", "us", TOKEN_URL)
    assert 0 < claims["exp"] - NOW.timestamp() <= 300
    assert claims["jti"]


def test_algorithm_and_syntax_follow_the_server(sign_in: SignIn) -> None:
    sign_in.smart |= {
        "token_endpoint_auth_signing_alg_values_supported": ["RS384"],
        "capabilities": ["permission-v1"],
    }
    server(sign_in).get("Patient", "p-1")
    (form,) = sign_in.forms
    assert form["scope"] == "system/Patient.read system/Task.read"
    published = KeySet.import_key_set(RING.public(NOW))  # type: ignore[arg-type]  # plain JSON, as servers read it
    assert jwt.decode(form["client_assertion"], published, algorithms=["RS384"])


def test_what_is_configured_wins(sign_in: SignIn) -> None:
    sign_in.smart = {}
    told = backend(sign_in, token_url=TOKEN_URL, scopes=("system/*.read",))
    assert told.headers() == {"Authorization": "Bearer token-0"}
    assert sign_in.forms[0]["scope"] == "system/*.read"


def test_a_client_secret_travels_by_basic(sign_in: SignIn) -> None:
    backend(sign_in, Secret("us", "s:cret/é")).headers()
    assert sign_in.headers[0]["authorization"] == "Basic dXM6cyUzQWNyZXQlMkYlQzMlQTk="
    assert "client_assertion" not in sign_in.forms[0]


# --- keeping


def test_a_token_serves_until_shortly_before_its_end(sign_in: SignIn, clock: Clock) -> None:
    ehr = server(sign_in)
    for seconds, tokens in ((0, 1), (269, 1), (271, 2), (500, 2), (560, 3)):
        clock.now = NOW + timedelta(seconds=seconds)
        ehr.get("Patient", "p-1")
        assert len(sign_in.tokens) == tokens


def test_many_threads_ask_once(sign_in: SignIn) -> None:
    one, headers = backend(sign_in), []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        headers.append(one.headers()["Authorization"])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert headers == ["Bearer token-0"] * 8
    assert len(sign_in.tokens) == 1


def test_a_token_that_the_server_forgot_is_renewed_once(sign_in: SignIn) -> None:
    ehr = server(sign_in)
    ehr.get("Patient", "p-1")
    sign_in.valid = set()
    assert ehr.get("Patient", "p-1") is not None
    assert len(sign_in.tokens) == 2
    sign_in.valid = {"another"}
    sign_in.refusal = lambda: said({"error": "invalid_client"}, 401)
    with pytest.raises(Forbidden):
        ehr.get("Patient", "p-1")


class Store:
    """Tokens as the store keeps them, for processes that are threads here."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, datetime]] = {}
        self.asking: dict[str, tuple[str, datetime]] = {}

    def token(self, name: str, now: datetime) -> tuple[str, datetime] | None:
        found = self.kept.get(name)
        return found if found and found[1] > now else None

    def keep_token(self, name: str, value: str, until: datetime) -> None:
        self.kept[name] = (value, until)

    def forget_token(self, name: str, value: str) -> None:
        if self.kept.get(name, ("",))[0] == value:
            del self.kept[name]

    def claim_token(self, name: str, by: str, now: datetime, until: datetime) -> bool:
        if name in self.asking and now < self.asking[name][1]:
            return False
        self.asking[name] = (by, until)
        return True

    def release_token(self, name: str, by: str) -> None:
        if self.asking.get(name, ("",))[0] == by:
            del self.asking[name]


def process(
    me: str, sign_in: SignIn, store: Store, sleep: Callable[[float], object], **more: Any
) -> Backend:
    return backend(sign_in, shared=Shared(store, me, sleep), **more)


def never(_: float) -> None:
    pytest.fail("nobody has to wait here")


def test_processes_share_a_token_of_the_same_configuration(sign_in: SignIn) -> None:
    store = Store()
    first, second = (process(each, sign_in, store, never) for each in "ab")
    assert first.headers() == second.headers()
    assert len(sign_in.tokens) == 1
    assert not [name for name in store.kept if "us" in name.partition("/")[2]]
    process("c", sign_in, store, never, scopes=("system/*.rs",)).headers()
    assert len(sign_in.tokens) == 2
    second.refused(second.headers())
    assert second.headers() == {"Authorization": "Bearer token-2"}
    assert not store.asking


def test_processes_renew_once_for_all(sign_in: SignIn, clock: Clock) -> None:
    store = Store()
    workers = [process(each, sign_in, store, never) for each in "abcd"]
    for seconds in range(900):
        clock.now = NOW + timedelta(seconds=seconds)
        assert len({each.headers()["Authorization"] for each in workers}) == 1
    assert len(sign_in.tokens) == 4  # of 300 s each, and not sixteen


def test_who_comes_while_another_process_asks_waits_for_its_token(sign_in: SignIn) -> None:
    store, waited = Store(), list[float]()
    answered = threading.Event()

    def answer(seconds: float) -> None:
        waited.append(seconds)
        answered.set()
        thread.join()

    first, second = process("a", sign_in, store, never), process("b", sign_in, store, answer)
    sign_in.before = lambda: answered.wait(60)
    thread = threading.Thread(target=first.headers)
    thread.start()
    while not store.asking:
        answered.wait(0.001)
    assert second.headers() == {"Authorization": "Bearer token-0"}
    assert len(waited) == 1
    assert len(sign_in.tokens) == 1


def test_who_asked_and_died_is_replaced_by_one(sign_in: SignIn, clock: Clock) -> None:
    store = Store()

    def later(seconds: float) -> None:
        clock.now += timedelta(seconds=seconds)

    one = process("a", sign_in, store, later)
    store.claim_token(one._shared_name(), "dead", NOW, NOW + timedelta(seconds=15))
    assert one.headers() == process("b", sign_in, store, never).headers()
    assert timedelta(seconds=15) <= clock.now - NOW < timedelta(seconds=16)
    assert len(sign_in.tokens) == 1


def test_nobody_waits_for_ever(sign_in: SignIn) -> None:
    """One has claimed the token for longer than it should: its clock is wrong."""
    store, waited = Store(), list[float]()
    one = process("a", sign_in, store, waited.append)
    store.claim_token(one._shared_name(), "b", NOW, NOW + timedelta(days=1))
    assert one.headers() == {"Authorization": "Bearer token-0"}
    assert sum(waited) == pytest.approx(30)
    assert store.asking[one._shared_name()][0] == "b"


def test_a_refusal_leaves_the_next_one_free_to_ask(sign_in: SignIn) -> None:
    store = Store()
    sign_in.refusal = lambda: said({"error": "invalid_client"}, 401)
    for each in "ab":
        with pytest.raises(Forbidden):
            process(each, sign_in, store, never).headers()
    assert not store.asking


def test_a_token_that_lives_for_seconds_only_is_not_asked_for_at_every_request(
    sign_in: SignIn, clock: Clock
) -> None:
    sign_in.more = {"expires_in": 10}
    one = process("a", sign_in, Store(), never)
    for tenths in range(40):
        clock.now = NOW + timedelta(seconds=tenths / 10)
        one.headers()
    assert len(sign_in.tokens) == 1


@pytest.mark.parametrize(
    ("lives", "seconds"),
    [
        (None, 300),
        ("600", 600),
        (600.5, 600),
        (0, 300),
        (-1, 300),
        ("soon", 300),
        (True, 300),
        ([600], 300),
        ("inf", 86_400),
        (1e300, 86_400),
        ("nan", 300),
    ],
)
def test_how_long_a_token_lives_is_believed_within_reason(
    sign_in: SignIn, clock: Clock, lives: Any, seconds: int
) -> None:
    sign_in.more = {"expires_in": lives} if lives is not None else {}
    one = backend(sign_in)
    one.headers()
    clock.now = NOW + timedelta(seconds=seconds * 0.8)
    one.headers()
    assert len(sign_in.tokens) == 1
    clock.now = NOW + timedelta(seconds=seconds)
    one.headers()
    assert len(sign_in.tokens) == 2


@pytest.mark.parametrize("kind", ["bearer", "Bearer", "BEARER", None, ""])
def test_the_kind_of_a_token_is_written_in_any_way(sign_in: SignIn, kind: str | None) -> None:
    sign_in.more = {"token_type": kind}
    assert backend(sign_in).headers() == {"Authorization": "Bearer token-0"}


def test_a_server_that_takes_no_token_is_not_asked_for_more_and_more(
    sign_in: SignIn, clock: Clock
) -> None:
    ehr = server(sign_in)
    sign_in.before = lambda: sign_in.valid.clear()
    taken = sign_in.handle_request
    sign_in.handle_request = lambda request: (  # type: ignore[method-assign]  # the net of this test
        said({}, 401) if request.url.path.startswith("/fhir/Patient") else taken(request)
    )
    for seconds in range(60):
        clock.now = NOW + timedelta(seconds=seconds)
        with pytest.raises(Forbidden):
            ehr.get("Patient", "p-1")
    assert len(sign_in.tokens) == 3  # the first, and one more in each half minute


def test_who_was_refused_uses_what_another_process_got(sign_in: SignIn) -> None:
    store = Store()
    first, second = (process(each, sign_in, store, never) for each in "ab")
    sign_in.refusal = lambda: said({"error": "invalid_client"}, 401)
    with pytest.raises(Forbidden):
        first.headers()
    sign_in.refusal = None
    second.headers()
    assert first.headers() == {"Authorization": "Bearer token-0"}


# --- being refused


@pytest.mark.parametrize("code", sorted(REFUSALS))
@pytest.mark.parametrize("status", [400, 401])
def test_every_refusal_says_what_to_change(sign_in: SignIn, code: str, status: int) -> None:
    body = {"error": code, "error_description": f"no {SECRET}", "error_uri": f"x:{SECRET}"}
    sign_in.refusal = lambda: said(body, status)
    with pytest.raises(Forbidden) as caught:
        backend(sign_in).headers()
    text = str(caught.value)
    assert text.startswith(f"ehr: sign in: {status}, {code}: {REFUSALS[code]}")
    assert SECRET not in text


def test_an_unknown_proof_names_where_our_keys_are(sign_in: SignIn) -> None:
    sign_in.refusal = lambda: said({"error": "invalid_client"}, 401)
    with pytest.raises(Forbidden, match=r"jwks\.json"):
        backend(sign_in).headers()
    with pytest.raises(Forbidden, match="client_id, client_secret"):
        backend(sign_in, Secret("us", "x")).headers()


@pytest.mark.parametrize(("seconds", "words"), [(600, "600 s behind"), (-90, "90 s ahead of")])
def test_a_clock_that_differs_is_named(sign_in: SignIn, seconds: int, words: str) -> None:
    sign_in.skew = timedelta(seconds=seconds)
    sign_in.refusal = lambda: said({"error": "invalid_client"}, 400)
    with pytest.raises(Forbidden, match=f"our clock is {words} the server's"):
        backend(sign_in).headers()


def test_the_scopes_that_were_asked_for_are_named(sign_in: SignIn) -> None:
    sign_in.refusal = lambda: said({"error": "invalid_scope"}, 400)
    with pytest.raises(Forbidden, match=r"asked for: system/Patient\.rs system/Task\.rs"):
        backend(sign_in).headers()


def test_a_refusal_is_not_repeated_at_once(sign_in: SignIn, clock: Clock) -> None:
    sign_in.refusal = lambda: said({"error": "invalid_client"}, 401)
    one = backend(sign_in)
    for _ in range(5):
        with pytest.raises(Forbidden):
            one.headers()
    assert len(sign_in.forms) == 1
    sign_in.refusal = None
    clock.now += timedelta(seconds=31)
    assert one.headers()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (lambda: httpx.Response(200, html=f"<p>{SECRET}"), Forbidden, "no access token"),
        (lambda: httpx.Response(404, html=f"<p>{SECRET}"), Forbidden, "check token_url"),
        (lambda: said({"error": SECRET}, 400), Forbidden, "does not answer like a token endpoint"),
        (lambda: said([SECRET], 400), Forbidden, "check token_url"),
        (lambda: said({"error": "use_dpop_nonce"}, 400), Forbidden, "a refusal of this server's"),
        (lambda: said({"access_token": "x", "token_type": "mac"}), Forbidden, "not bearer"),
        (lambda: said({"access_token": f"{SECRET} \n"}), Forbidden, "no access token"),
        (lambda: said({"error": "server_error"}, 503), Unavailable, "tried again later"),
        (lambda: said({}, 429), Unavailable, "tried again later"),
        (lambda: said({}, 302), Forbidden, "check token_url"),
        (lambda: said({"error": "invalid_client"}), Forbidden, "check client_id"),
        (lambda: said({"error": "temporarily_unavailable"}, 400), Unavailable, "cannot answer now"),
        (lambda: said({"error": "server_error"}, 400), Unavailable, "tried again later"),
    ],
)
def test_answers_that_are_none(
    sign_in: SignIn, answer: Callable[[], httpx.Response], kind: type[FhirError], words: str
) -> None:
    sign_in.refusal = answer
    with pytest.raises(kind, match=words) as caught:
        backend(sign_in).headers()
    assert SECRET not in str(caught.value)


def test_a_server_without_smart_needs_a_token_url(sign_in: SignIn) -> None:
    sign_in.smart = {}
    with pytest.raises(Forbidden, match="set token_url"):
        backend(sign_in).headers()


@pytest.mark.parametrize("address", ["/token", "ehr.example/token", "https://", 7, ["x"], ""])
def test_a_token_endpoint_that_is_no_address_is_named(sign_in: SignIn, address: Any) -> None:
    sign_in.smart["token_endpoint"] = address
    with pytest.raises(Forbidden, match="set token_url"):
        backend(sign_in).headers()
    assert not sign_in.forms
    assert backend(sign_in, token_url=TOKEN_URL).headers()


def test_our_proof_does_not_leave_tls(sign_in: SignIn) -> None:
    sign_in.smart["token_endpoint"] = "http://ehr.example/token"
    with pytest.raises(Forbidden, match="not https"):
        backend(sign_in).headers()
    assert not sign_in.forms


def test_keys_that_ended_are_named(sign_in: SignIn, clock: Clock) -> None:
    ended = Keyring(RING.rotated(NOW, after=timedelta(0)).keys[:2])
    clock.now += timedelta(days=2)
    proof = Assertion("us", keys=lambda: ended, ids=lambda: "x")
    with pytest.raises(Forbidden, match="keys rotate --after 0"):
        backend(sign_in, proof).headers()


def test_scopes_that_were_not_granted_are_seen(sign_in: SignIn) -> None:
    sign_in.more = {"scope": "system/Patient.rs"}
    assert backend(sign_in).lacking() == ("system/Task.rs",)
    sign_in.more = {}
    assert backend(sign_in).lacking() == ()  # RFC 6749 §5.1: as asked for, if it does not say
