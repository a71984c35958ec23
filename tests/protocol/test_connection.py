"""The connection file and the pairing of other machines."""

import json
from pathlib import Path
from typing import Any

import pytest
import zmq

from protocol.connection import Connection, PairingCode, read_connection
from protocol.errors import EngineError
from protocol.pairing import pair
from protocol.replies import Paired, Refused
from protocol.requests import Pair
from protocol.wire import Received
from tests.protocol.service import Service

KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
CONNECTION = Connection(
    endpoint="tcp://127.0.0.1:5000",
    server_key=KEY,
    client_public=KEY,
    client_secret=KEY,
    token="t",
    pid=7,
)


def test_a_connection_comes_back_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "дом" / "engine.json"
    file.parent.mkdir()
    file.write_text(CONNECTION.to_json(), encoding="utf-8")
    assert read_connection(file) == CONNECTION
    assert CONNECTION.local


@pytest.mark.parametrize(
    ("changes", "local"),
    [({"pid": 0}, False), ({"endpoint": "tcp://10.0.0.2:5000"}, False), ({}, True)],
)
def test_only_this_machine_is_local(changes: dict[str, Any], local: bool) -> None:
    assert Connection(**(vars(CONNECTION) | changes)).local is local


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 60_000,
        "\xff",
        json.dumps(vars(CONNECTION) | {"endpoint": "ipc:///tmp/x"}),
        json.dumps(vars(CONNECTION) | {"endpoint": "tcp://127.0.0.1:5000;x"}),
        json.dumps(vars(CONNECTION) | {"server_key": "short"}),
        json.dumps(vars(CONNECTION) | {"server_key": "~" * 40}),
        json.dumps(vars(CONNECTION) | {"server_key": "#" * 40}),
        json.dumps(vars(CONNECTION) | {"client_secret": None}),
    ],
)
def test_a_file_that_is_no_connection_is_one_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "engine.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(EngineError) as caught:
        read_connection(file)
    assert caught.value.code == "connection_invalid"
    assert KEY not in str(caught.value)


def test_a_pairing_code_survives_being_typed() -> None:
    for endpoint in ("tcp://10.0.0.2:5000", "tcp://[fe80::1]:5000", "tcp://workstation.lan:5000"):
        public, secret = (key.decode() for key in zmq.curve_keypair())
        code = PairingCode(endpoint, public, secret)
        text = str(code)
        assert text.isascii() and not set(text) & set(" '\"$&|;<>()")
        assert PairingCode.parse(f"  {text[:50]}\n{text[50:]} ") == code


@pytest.mark.parametrize(
    "change", [lambda t: t[:-2], lambda t: t + "AA", lambda t: t[9:], str.title]
)
def test_half_a_pairing_code_is_refused(change: Any) -> None:
    text = change(str(PairingCode("tcp://10.0.0.2:5000", KEY, KEY)))
    try:
        assert PairingCode.parse(text) != PairingCode("tcp://10.0.0.2:5000", KEY, KEY)
    except EngineError as error:
        assert error.code == "pairing_code_invalid"


def test_pairing_gives_a_connection_with_keys_of_its_own() -> None:
    service = Service()
    asked: list[Pair] = []

    def answer(received: Received) -> Paired | Refused:
        assert isinstance(received.message, Pair)
        asked.append(received.message)
        if len(asked) > 1:
            return Refused(code="code_used", message="The code was used.", hint="Make another.")
        return Paired(token="t", engine="desk")

    service.greets_first = False
    service.answer = answer
    here = service.connection()
    code = PairingCode(here.endpoint, here.server_key, here.client_secret)
    try:
        connection = pair(code, "laptop")
        with pytest.raises(EngineError, match="was used"):
            pair(code, "laptop")
    finally:
        service.stop()
    assert asked[0].client == "laptop"
    assert connection.token == "t"
    assert asked[0].public_key == connection.client_public
    assert zmq.curve_public(connection.client_secret.encode()).decode() == connection.client_public
    assert connection.client_secret != here.client_secret
    assert not connection.local


def test_nobody_answers_a_pairing() -> None:
    service = Service()
    here = service.connection()
    service.stop()
    code = PairingCode(here.endpoint, here.server_key, here.client_secret)
    with pytest.raises(EngineError) as caught:
        pair(code, "laptop", timeout_s=0.3)
    assert caught.value.code == "pairing_failed"
