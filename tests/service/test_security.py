"""Who gets in, who does not, and what is written down about it."""

import logging
import random
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq

from protocol import replies, requests
from protocol.connection import Connection, PairingCode
from protocol.jobs import GenerateJob
from protocol.references import Attached, File
from protocol.wire import Shaped, encode
from tests.service.local import Local
from tests.service.peer import PNG, Peer, Server

Serve = Callable[..., Local]
SILENCE = 1.0
"""Seconds for which nothing may come."""


def keys() -> tuple[str, str]:
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def hello(token: str = "") -> requests.Hello:
    return requests.Hello(oldest=1, newest=1, token=token, client="stranger", program="test")


def test_unknown_keys_get_nothing_not_even_with_the_right_token(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "engine.service")
    local = serve({})
    token = local.service.connection.token
    stranger = Peer(local.service.connection, keys=keys(), hello=False)
    with pytest.raises(TimeoutError):
        stranger.ask(hello(token), patience=SILENCE)
    stranger.close()
    assert "unknown key" in caplog.text
    assert token not in caplog.text
    assert isinstance(local.peer().welcome, replies.Welcome)


def test_a_peer_without_encryption_gets_nothing(serve: Serve) -> None:
    local = serve({})
    context = zmq.Context()
    plain = context.socket(zmq.DEALER)
    plain.connect(local.service.connection.endpoint)
    plain.send_multipart(encode(hello(local.service.connection.token), 1))
    assert not plain.poll(int(SILENCE * 1000))
    context.destroy(linger=0)
    assert isinstance(local.peer().welcome, replies.Welcome)


def test_the_token_is_asked_for(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "engine.service")
    local = serve({})
    refused = local.peer(token="wrong").welcome
    assert refused.code == "token_wrong"
    assert "wrong token" in caplog.text
    peer = local.peer(hello=False)
    for request in (requests.GetStatus(), requests.Shutdown(), requests.ListJobs()):
        assert peer.ask(request).code == "hello_first"


def test_keys_and_token_of_another_home_are_refused(serve: Serve, tmp_path: Path) -> None:
    here, there = serve({}), serve({}, home=tmp_path / "other")
    own, other = here.service.connection, there.service.connection
    mixed = Connection(**{**vars(own), "token": other.token})
    peer = Peer(mixed)
    assert peer.welcome.code == "token_wrong"
    peer.close()
    stranger = Peer(own, keys=(other.client_public, other.client_secret), hello=False)
    with pytest.raises(TimeoutError):
        stranger.ask(hello(other.token), patience=SILENCE)
    stranger.close()


def test_keys_and_token_are_new_at_each_start(spawn: Callable[..., Server]) -> None:
    server = spawn({})
    old = server.connection
    assert (server.home / "engine.json").stat().st_mode & 0o077 == 0
    server.kill()
    server.start()
    assert server.connection.server_key == old.server_key
    assert server.connection.token != old.token
    stale = (old.client_public, old.client_secret)
    stranger = Peer(server.connection, keys=stale, hello=False)
    with pytest.raises(TimeoutError):
        stranger.ask(hello(old.token), patience=SILENCE)
    stranger.close()


def test_versions_that_do_not_fit_are_named(serve: Serve) -> None:
    local = serve({})
    peer = local.peer(hello=False)
    message = requests.Hello(
        oldest=7, newest=9, token=local.service.connection.token, client="x", program="x"
    )
    refused = peer.ask(message)
    assert refused.code == "version_mismatch"
    assert "7 to 9" in refused.message and "1" in refused.message


def test_a_script_can_pretend_another_version(spawn: Callable[..., Server]) -> None:
    server = spawn({"protocol": 99})
    assert server.connection.protocol == 99
    refused = server.peer().welcome
    assert refused.code == "version_mismatch" and "99" in refused.message


def test_who_has_not_said_hello_is_told_nothing_and_forgotten(serve: Serve) -> None:
    local = serve({})
    stranger = local.peer(hello=False)
    assert stranger.ask(requests.GetStatus()).code == "hello_first"
    endpoint = local.service._endpoint
    (session,) = endpoint.sessions.values()
    session.seen -= 30.0
    stranger.pump(0.5)
    assert stranger.events == [] and endpoint.sessions
    session.seen -= 31.0
    stranger.until(lambda: not endpoint.sessions)


def test_nonsense_is_answered_by_an_error(serve: Serve) -> None:
    local = serve({})
    peer = local.peer()
    peer.socket.send_multipart([b"\xc1nonsense", b"x"])
    peer.until(lambda: peer._replies.pop(0, None))
    peer.socket.send_multipart([b""])
    peer.until(lambda: peer._replies.pop(0, None))
    assert peer.ask(requests.Ping()) == replies.Pong()


def mutated(draw: random.Random, frames: list[bytes]) -> list[bytes]:
    """Frames with bytes changed, cut, repeated or left out."""
    changed = [bytearray(frame) for frame in frames]
    for _ in range(draw.randint(1, 4)):
        frame = draw.choice(changed)
        kind = draw.randrange(5)
        if kind == 0 and frame:
            frame[draw.randrange(len(frame))] = draw.randrange(256)
        elif kind == 1:
            del frame[draw.randrange(len(frame) + 1) :]
        elif kind == 2:
            frame += draw.randbytes(draw.randint(1, 30))
        elif kind == 3 and len(changed) > 1:
            changed.remove(frame)
        else:
            changed.append(bytearray(draw.randbytes(draw.randint(0, 20))))
    return [bytes(frame) for frame in changed]


FRAMES = 1000


def test_mutated_frames_are_answered_and_nothing_grows(serve: Serve) -> None:
    local = serve({"jobs": [[]]})
    peer = local.peer()
    draw = random.Random(5)
    submit = requests.Submit(
        id=secrets.token_hex(16), job=GenerateJob(picture=Attached("p")), title="chair"
    )
    picture = {"p": Shaped.of_file(PNG)}
    whole = [bytes(frame) for frame in encode(submit, 7, picture)]
    fetch = [bytes(frame) for frame in encode(requests.FetchPart(job="x", name="y"), 8)]
    before = peer.ask(requests.GetStatus()).memory
    for i in range(FRAMES):
        peer.socket.send_multipart(mutated(draw, draw.choice([whole, fetch])))
        if i % 100 == 99:
            peer.ask(requests.Ping())
    status = peer.ask(requests.GetStatus())
    assert status.memory - before < 20 << 20
    assert isinstance(peer.ask(requests.Ping()), replies.Pong)


def test_a_mistake_of_ours_does_not_end_the_service(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    local = serve({})
    peer = local.peer()

    def wrong() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(local.service, "full_status", wrong)
    assert peer.ask(requests.GetStatus()).code == "internal"
    local.service._inbox.post(wrong)
    assert peer.ask(requests.Ping()) == replies.Pong()
    assert caplog.text.count("ZeroDivisionError") >= 2


def paired(code: PairingCode, own: tuple[str, str]) -> tuple[Peer, Connection]:
    """Whoever holds the code of a service, with keys of its own from now on."""
    public = zmq.curve_public(code.secret_key.encode()).decode()
    connection = Connection(
        endpoint=code.endpoint,
        server_key=code.server_key,
        client_public=public,
        client_secret=code.secret_key,
        token="",
    )
    peer = Peer(connection, hello=False)
    return peer, Connection(
        **{**vars(connection), "client_public": own[0], "client_secret": own[1]}
    )


def test_pairing_works_once_and_lasts(spawn: Callable[..., Server]) -> None:
    server = spawn({"jobs": [[]]}, "--bind", "127.0.0.1:0")
    local, own = server.peer(), keys()
    opened = local.ask(requests.OpenPairing())
    code = PairingCode.parse(opened.code)
    assert opened.seconds > 60
    newcomer, later = paired(code, own)
    assert newcomer.ask(hello()).code == "token_wrong"
    assert newcomer.ask(requests.GetStatus()).code == "hello_first"
    reply = newcomer.ask(requests.Pair(public_key=own[0], client="laptop"))
    assert isinstance(reply, replies.Paired)
    again = newcomer.ask(requests.Pair(public_key=keys()[0], client="thief"))
    assert again.code == "pairing_refused"
    newcomer.close()
    replayed, _ = paired(code, keys())
    with pytest.raises(TimeoutError):
        replayed.ask(requests.Pair(public_key=keys()[0], client="thief"), patience=SILENCE)
    replayed.close()
    remote = Peer(later, token=reply.token)
    assert isinstance(remote.welcome, replies.Welcome)
    # The engine's key lasts; only its port is another one, unless --bind names it.
    server.kill()
    server.start()
    endpoint = PairingCode.parse(server.peer().ask(requests.OpenPairing()).code).endpoint
    remote.close()
    remote = Peer(Connection(**{**vars(later), "endpoint": endpoint}), token=reply.token)
    assert isinstance(remote.welcome, replies.Welcome)
    for request in (
        requests.Shutdown(),
        requests.OpenPairing(),
        requests.RemoveModels(names=("matte",)),
    ):
        assert remote.ask(request).code == "local_only"
    named = requests.Submit(id=secrets.token_hex(16), job=GenerateJob(picture=File("/etc/hosts")))
    assert remote.ask(named).code == "file_refused"
    assert remote.ask(requests.CheckPicture(picture=File("/etc/hosts"))).code == "file_refused"
    assert isinstance(remote.submit(secrets.token_hex(16)), replies.Submitted)
    remote.close()


def test_pairing_is_closed_by_default(serve: Serve) -> None:
    peer = serve({}).peer()
    assert peer.ask(requests.OpenPairing()).code == "not_bound"
    refused = peer.ask(requests.Pair(public_key=keys()[0], client="x"))
    assert refused.code == "pairing_refused"


def test_the_log_holds_no_token_and_no_path(
    serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO, "engine.service")
    picture = tmp_path / "private.png"
    picture.write_bytes(PNG)
    local = serve({"jobs": [[{"print": f"opening {picture}\n"}, {"crash": 9}]]})
    peer = local.peer()
    job = secrets.token_hex(16)
    peer.ask(requests.Submit(id=job, job=GenerateJob(picture=File(str(picture)))))
    peer.until(lambda: any(getattr(event, "code", "") for event in peer.of(job)))
    assert "opening" in caplog.text and "private" not in caplog.text
    for secret in (local.service.connection.token, local.service.connection.client_secret):
        assert secret not in caplog.text
