"""What a block of the image tower holds at its peak, as a count of bytes of tensors."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from counting import Passes
from holding import Holding
from torch.nn.functional import linear, silu

from faprompt.clip.attention import Mlp, ResidualBlock

BATCH, LENGTH, WIDTH = 2, 50, 64
UNIT = BATCH * LENGTH * WIDTH * 4
"""Bytes of one stream (B, L, D) in fp32."""


def peak(function: Callable[[], Any]) -> float:
    """Most streams that lived at once, beside those given."""
    with torch.inference_mode(), Holding() as holding:
        function()
    return float(holding.peak / UNIT)


@pytest.fixture
def block() -> ResidualBlock:
    torch.manual_seed(0)
    return ResidualBlock(WIDTH, 4, quick_gelu=True).requires_grad_(False)


def test_the_count_sees_what_is_held_and_what_is_freed() -> None:
    x = torch.randn(BATCH, LENGTH, WIDTH)
    assert peak(lambda: (x + 1, x + 2)) == 2
    assert peak(lambda: x + 1 + 2 + 3) == 2, "the first sum goes when the third is made"
    assert peak(lambda: (x + 1).add_(2)[:, 0]) == 1


def test_the_widest_tensor_exists_once_at_inference(block: ResidualBlock) -> None:
    x = torch.randn(BATCH, LENGTH, WIDTH)
    assert peak(lambda: block.mlp(x)) == 4 + 1, "inside, and the result"
    # Around it: the stream after attention and what the perceptron reads.
    assert peak(lambda: block(x)) == 4 + 1 + 2


def test_a_dual_block_frees_what_attention_read(block: ResidualBlock) -> None:
    x, local = torch.randn(2, BATCH, LENGTH, WIDTH)
    # Queries, keys and values, both readings, and both together.
    assert peak(lambda: block.attn.dual(x)) == 3 + 2 + 2
    assert peak(lambda: block.dual(x, local)) == 4 + 1 + 2 + 2


def test_quick_gelu_within_the_products_leaves_values_and_gradients() -> None:
    torch.manual_seed(0)
    mlp = Mlp(WIDTH, quick_gelu=True).requires_grad_(False)
    given = torch.randn(3, WIDTH)

    def written_out(x: torch.Tensor) -> torch.Tensor:
        hidden = linear(x, mlp.c_fc.weight, mlp.c_fc.bias)
        hidden = silu(1.702 * hidden) / 1.702
        return linear(hidden, mlp.c_proj.weight, mlp.c_proj.bias)

    results = []
    for function in (mlp, written_out):
        x = given.clone().requires_grad_()
        out = function(x)
        (gradient,) = torch.autograd.grad(out.square().sum(), x)
        results.append((out.detach(), gradient))
    torch.testing.assert_close(results[0], results[1])
    with torch.inference_mode():
        torch.testing.assert_close(mlp(given), results[0][0], rtol=0, atol=0)


def test_quick_gelu_makes_one_pass_over_the_widest_tensor() -> None:
    mlp = Mlp(WIDTH, quick_gelu=True).requires_grad_(False)
    with torch.inference_mode(), Passes(elements=3 * 4 * WIDTH) as passes:
        mlp(torch.randn(3, WIDTH))
    assert passes.count == 2, "the product and its activation"


def test_under_autocast_what_runs_past_the_branches_stays_fp32(block: ResidualBlock) -> None:
    x = torch.randn(BATCH, LENGTH, WIDTH)
    with torch.autocast("cpu", torch.bfloat16):
        assert block(x).dtype is block.dual(x, x)[0].dtype is torch.float32
