"""Attention against the formula in float64."""

import itertools
import logging
from typing import Any

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from engine.host.machine import Hardware
from engine.sparse.attention import ATTENTION, attention, available_backends, score_bytes
from engine.sparse.backends import Registry
from protocol.errors import EngineError
from tests.gpu_without_card.card import pretended_card
from tests.tolerances import assert_same_maths


def oracle(q, k, v, q_offsets, k_offsets):
    out = torch.zeros_like(q, dtype=torch.float64)
    for (a, b), (c, d) in zip(
        itertools.pairwise(q_offsets), itertools.pairwise(k_offsets), strict=True
    ):
        scores = (
            torch.einsum("qhd,khd->hqk", q[a:b].double(), k[c:d].double()) * q.shape[-1] ** -0.5
        )
        out[a:b] = torch.einsum("hqk,khd->qhd", scores.softmax(-1), v[c:d].double())
    return out


@pytest.mark.parametrize(
    ("q_offsets", "k_offsets"),
    [
        ([0, 9], [0, 9]),
        ([0, 9], [0, 5]),
        ([0, 9, 12, 30], [0, 2, 9, 16]),
        ([0, 8, 16], [0, 5, 10]),
        ([0, 9, 9, 12], [0, 2, 2, 9]),
    ],
)
def test_against_the_formula(q_offsets, k_offsets):
    generator = torch.Generator().manual_seed(1)
    q = torch.randn(q_offsets[-1], 3, 10, generator=generator)
    k = torch.randn(k_offsets[-1], 3, 10, generator=generator)
    v = torch.randn(k_offsets[-1], 3, 10, generator=generator)
    got = attention(q, k, v, q_offsets=q_offsets, k_offsets=k_offsets)
    expected = oracle(q, k, v, q_offsets, k_offsets)
    torch.testing.assert_close(got.double(), expected, atol=2e-6, rtol=2e-6)


def test_what_training_keeps_in_memory_is_the_same_attention(monkeypatch: pytest.MonkeyPatch):
    q_offsets, k_offsets = [0, 8, 16], [0, 5, 10]
    q, k, v = (torch.randn(n, 3, 10, requires_grad=True) for n in (16, 10, 10))
    weights = torch.randn(16, 3, 10)

    def value_and_gradients() -> list[torch.Tensor]:
        got = attention(q, k, v, q_offsets=q_offsets, k_offsets=k_offsets)
        return [got, *torch.autograd.grad((got * weights).sum(), (q, k, v))]

    in_full = value_and_gradients()
    monkeypatch.setattr("engine.sparse.attention.LONGEST_IN_FULL", 0)
    with_kernel = value_and_gradients()
    for one, other in zip(in_full, with_kernel, strict=True):
        torch.testing.assert_close(one, other, atol=2e-6, rtol=2e-6)
    expected = oracle(q.detach(), k.detach(), v.detach(), q_offsets, k_offsets)
    torch.testing.assert_close(in_full[0].double(), expected, atol=2e-6, rtol=2e-6)


def test_half_precision_on_cpu():
    q, k, v = torch.randn(3, 20, 2, 16).bfloat16()
    got = attention(q, k, v, q_offsets=[0, 20], k_offsets=[0, 20])
    assert got.dtype == torch.bfloat16
    expected = oracle(q, k, v, [0, 20], [0, 20])
    torch.testing.assert_close(got.double(), expected, atol=2e-2, rtol=2e-2)


def test_gradients_flow():
    q, k, v = (torch.randn(7, 2, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    offsets = [0, 3, 7]
    torch.autograd.gradcheck(
        lambda *args: attention(*args, q_offsets=offsets, k_offsets=offsets), (q, k, v)
    )


@pytest.mark.parametrize(
    ("q_offsets", "k_offsets", "message"),
    [
        ([0, 4], [0, 5], "offsets must run"),
        ([0, 5], [0, 2, 5], "different numbers of batch items"),
        ([0, 2, 5], [0, 5, 5], "no keys"),
    ],
)
def test_offsets_that_do_not_fit(q_offsets, k_offsets, message):
    x = torch.zeros(5, 1, 4)
    with pytest.raises(ValueError, match=message):
        attention(x, x, x, q_offsets=q_offsets, k_offsets=k_offsets)


def test_the_report_and_the_refusal_name_reasons(caplog):
    report = {line.name: line for line in available_backends("cpu")}
    assert list(report) == ["flash-attn-3", "flash-attn", "varlen", "plain", "sdpa"]
    assert report["sdpa"].usable and not report["varlen"].usable
    x = torch.zeros(5, 1, 4)
    with pytest.raises(EngineError, match=r"'varlen' cannot be used: .*leave the choice"):
        attention(x, x, x, q_offsets=[0, 5], k_offsets=[0, 5], backend="varlen")
    with pytest.raises(EngineError, match="no such backend"):
        attention(x, x, x, q_offsets=[0, 5], k_offsets=[0, 5], backend="magic")
    ATTENTION._chosen.clear()
    with caplog.at_level(logging.INFO, logger="engine.sparse.backends"):
        for _ in range(2):
            attention(x, x, x, q_offsets=[0, 5], k_offsets=[0, 5])
    assert len(caplog.records) == 1
    assert "attention on cpu in torch.float32: sdpa (part of torch" in caplog.text
    assert "not varlen: " in caplog.text


HOPPER, AMPERE, TURING, PASCAL = (Hardware("cuda", c) for c in ((9, 0), (8, 6), (7, 5), (6, 1)))
BLACKWELL, AMD, MAC, CPU = (
    Hardware("cuda", (12, 0)),
    Hardware("rocm"),
    Hardware("mps"),
    Hardware("cpu"),
)


@pytest.mark.parametrize(
    ("hardware", "packages", "expected"),
    [
        (HOPPER, {"flash_attn_interface", "flash_attn"}, "flash-attn-3"),
        (HOPPER, {"flash_attn"}, "flash-attn"),
        (HOPPER, set(), "varlen"),
        (BLACKWELL, {"flash_attn_interface"}, "varlen"),
        (AMPERE, {"flash_attn_interface", "flash_attn"}, "flash-attn"),
        (AMPERE, set(), "varlen"),
        (AMD, set(), "varlen"),
        (TURING, {"flash_attn_interface", "flash_attn"}, "sdpa"),
        (PASCAL, {"flash_attn_interface", "flash_attn"}, "plain"),
        (MAC, {"flash_attn"}, "sdpa"),
        (CPU, {"flash_attn"}, "sdpa"),
    ],
)
def test_the_choice_for_hardware_that_is_not_here(
    hardware: Hardware, packages: set[str], expected: str, monkeypatch: pytest.MonkeyPatch
):
    there = {*packages, "torch.nn.attention.varlen"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in there or None)
    monkeypatch.setattr("torch.backends.cuda.is_flash_attention_available", lambda: True)
    registry = Registry("attention", list(ATTENTION.backends.values()))
    assert registry.choose(hardware, torch.bfloat16, width=128).name == expected
    # What has no half-precision kernel, or no kernel of that width, goes the general way.
    general = "plain" if hardware == PASCAL else "sdpa"
    assert registry.choose(hardware, torch.float32, width=128).name == general
    assert registry.choose(hardware, torch.bfloat16, width=28).name == general
    assert registry.choose(hardware, torch.bfloat16, width=264).name == general
    with pytest.raises(EngineError, match="cannot be used"):
        registry.choose(hardware, torch.bfloat16, "flash-attn", width=28)
    if ATTENTION.backends["varlen"].probe(hardware).usable:
        with pytest.raises(EngineError, match="vectors of 28 numbers"):
            registry.choose(hardware, torch.bfloat16, "varlen", width=28)


def test_every_line_of_the_table_says_where_and_why():
    assert all(line.where and line.why for line in ATTENTION.backends.values())


def test_cudnn_is_never_asked(monkeypatch: pytest.MonkeyPatch):
    asked: list[bool] = []
    attend = torch.nn.functional.scaled_dot_product_attention

    def listening(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        asked.append(torch.backends.cuda.cudnn_sdp_enabled())
        return attend(q, k, v)

    monkeypatch.setattr("torch.nn.functional.scaled_dot_product_attention", listening)
    with pretended_card(monkeypatch, (7, 5)):
        x = torch.empty(5, 1, 8, device="cuda:0")
        for offsets in ([0, 5], [0, 2, 5]):
            attention(x, x, x, q_offsets=offsets, k_offsets=offsets)
    assert asked == [False, False, False]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("score_bytes", [1, 500, 1 << 28])
def test_plain_products_in_chunks(
    score_bytes: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
):
    """As on Pascal; this backend works everywhere."""
    monkeypatch.setattr("engine.sparse.attention.SCORE_BYTES", score_bytes)
    for offsets in ([0, 30], [0, 9, 12, 30], [0, 15, 30]):
        q, k, v = torch.randn(3, 30, 2, 10).to(dtype)
        got = ATTENTION.backends["plain"].run(q, k, v, tuple(offsets), tuple(offsets))
        assert got.dtype == dtype
        assert_same_maths(got, oracle(q, k, v, offsets, offsets), dtype)


class Alive(TorchDispatchMode):
    """The most bytes that were alive at a time, of what was made in here."""

    def __init__(self) -> None:
        super().__init__()
        self.most, self._made = 0, {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self._made[StorageWeakRef(storage)] = storage.nbytes()
        self._made = {ref: size for ref, size in self._made.items() if not ref.expired()}
        self.most = max(self.most, sum(self._made.values()))
        return out


@pytest.mark.parametrize("chunk", [1 << 16, 1 << 28])
def test_what_plain_products_take_is_known(chunk: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("engine.sparse.attention.SCORE_BYTES", chunk)
    heads, rows, width = 4, 300, 8
    q, k, v = torch.randn(3, rows, heads, width)
    with Alive() as alive, torch.inference_mode():
        ATTENTION.backends["plain"].run(q, k, v, (0, rows), (0, rows))
    known = score_bytes(PASCAL, torch.float32, heads=heads, width=width, scores=rows * rows)
    assert known == 2 * min(chunk, 4 * heads * rows * rows)
    # The result in parts and whole, and copies of operands for the products.
    assert 0.9 * known < alive.most < known + 6 * q.nbytes
    for hardware in (TURING, AMPERE, MAC, CPU):
        assert score_bytes(hardware, torch.float32, heads=4, width=8, scores=90_000) == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["flash-attn-3", "flash-attn", "varlen", "plain", "sdpa"])
def test_backends_agree_on_a_gpu(name):
    if not {line.name: line.usable for line in available_backends("cuda")}[name]:
        pytest.skip(f"{name} is not usable here")
    q_offsets, k_offsets = [0, 70, 100, 333], [0, 20, 150, 160]
    q = torch.randn(333, 4, 64, device="cuda").bfloat16()
    k, v = torch.randn(2, 160, 4, 64, device="cuda").bfloat16()
    got = attention(q, k, v, q_offsets=q_offsets, k_offsets=k_offsets, backend=name)
    expected = oracle(q, k, v, q_offsets, k_offsets)
    torch.testing.assert_close(got.double(), expected, atol=2e-2, rtol=2e-2)
