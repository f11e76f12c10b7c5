"""The towers against transformers, naive loops and their own invariances."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from counting import forward_calls
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_clips import SPECS, random_tokens, reference
from torch import Tensor
from torch.testing import assert_close

from faprompt.clip.attention import full_attention
from faprompt.clip.image_encoder import ImageEncoder, resize_positions
from faprompt.clip.layouts import canonical_state
from faprompt.clip.model import Clip
from faprompt.clip.registry import ClipSpec, get_spec
from faprompt.clip.text_encoder import overwrite
from faprompt.errors import ConfigError

NAMES = list(SPECS)


def clip_of(name: str) -> Clip:
    clip = Clip(SPECS[name])
    clip.load_state_dict(canonical_state(reference(name).state_dict()))
    return clip.frozen()


def pixels(spec: ClipSpec, count: int = 2, grid: int | None = None) -> Tensor:
    side = spec.native_size if grid is None else grid * spec.patch_size
    return torch.randn(count, 3, side, side)


@pytest.mark.parametrize("name", NAMES)
def test_global_stream_of_the_dual_path_is_transformers_before_its_last_norm(name: str) -> None:
    spec, model = SPECS[name], reference(name)
    images = pixels(spec)
    hidden = model.vision_model(pixel_values=images).last_hidden_state[:, 0]
    expected = hidden @ model.visual_projection.weight.T
    assert_close(clip_of(name).visual.dual(images).image, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_ordinary_tokens_of_the_dual_path_are_those_of_transformers(name: str) -> None:
    spec, model = SPECS[name], reference(name)
    images, visual = pixels(spec), clip_of(name).visual
    hidden = model.vision_model(pixel_values=images).last_hidden_state
    expected = model.vision_model.post_layernorm(hidden) @ model.visual_projection.weight.T
    with forward_calls(visual.ln_post) as before:
        dual = visual.dual(images)
        assert len(before) == 1  # the local stream alone: others do not pay
    with forward_calls(visual.conv1) as passes:
        assert_close(dual.ordinary(), expected, rtol=0, atol=1e-5)
    assert passes == []
    assert_close(dual.ordinary()[:, 0], visual(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_window_of_all_patches_is_the_image(name: str) -> None:
    spec, visual = SPECS[name], clip_of(name).visual
    images, everything = pixels(spec), torch.arange(spec.native_grid**2)
    windows = torch.stack([everything, everything.flip(0)])  # an attention has no order
    found = visual.windows(images, windows)
    assert_close(found[:, 0], visual(images), rtol=0, atol=1e-5)
    assert_close(found[:, 1], visual(images), rtol=0, atol=1e-5)


def naive_local(clip: Clip, images: Tensor, block: int) -> Tensor:
    """The local stream of METHOD section 1 by loops over images and heads, in double precision."""
    visual: Any = clip.double().visual
    heads = clip.spec.image.heads
    x = visual._embed(images.double())
    first = clip.spec.image.layers - clip.spec.dual_blocks
    for index, layer in enumerate(visual.transformer.resblocks):
        if index == first:
            local = x.clone()
        if index >= first:
            normed = layer.ln_1(x)
            attn = layer.attn
            v = (normed @ attn.in_proj_weight.T + attn.in_proj_bias)[..., -x.shape[-1] :]
            for i in range(len(x)):
                parts = []
                for part in v[i].chunk(heads, dim=-1):
                    weights = torch.softmax(part @ part.T / part.shape[-1] ** 0.5, dim=-1)
                    parts.append(weights @ part)
                local[i] += attn.out_proj(torch.cat(parts, dim=-1))
        x = layer(x)
        if index == block:
            break
    projected: Tensor = visual.ln_post(local) @ visual.proj
    return projected.float()


@pytest.mark.parametrize("name", NAMES)
def test_local_features_of_every_dual_block_equal_a_naive_loop(name: str) -> None:
    spec = SPECS[name]
    images = pixels(spec, grid=spec.native_grid + 1)
    blocks = range(spec.image.layers - spec.dual_blocks, spec.image.layers)
    found = clip_of(name).visual.dual(images, blocks)
    assert list(found.local) == list(blocks)
    for block in blocks:
        expected = naive_local(clip_of(name), images, block)
        assert_close(found.local[block], expected, rtol=0, atol=1e-5)
    assert_close(found.patches(), found.local[spec.image.layers - 1][:, 1:])
    assert_close(found.patches(blocks[0]), found.local[blocks[0]][:, 1:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_a_tower_that_learns_sees_what_a_frozen_one_sees(name: str, dtype: torch.dtype) -> None:
    """In bf16 its attention is written out."""
    images = pixels(SPECS[name])
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32, cache_enabled=False):
        frozen = clip_of(name).visual.dual(images)
        seen = clip_of(name).requires_grad_(True).visual.dual(images)
    assert seen.image.requires_grad
    for found, expected in ((seen.image, frozen.image), (seen.patches(), frozen.patches())):
        if dtype == torch.float32:
            assert_close(found, expected)
        else:
            assert_close(found, expected, rtol=0, atol=0.02 * float(expected.abs().max()))


def test_default_is_the_last_block_and_others_are_refused() -> None:
    visual = clip_of("quick").visual
    assert list(visual.dual(pixels(SPECS["quick"])).local) == [2]
    with pytest.raises(ConfigError, match=r"blocks \[0, 3\] have no local stream; .* 1 to 2"):
        visual.dual(pixels(SPECS["quick"]), [0, 1, 3])


@pytest.mark.parametrize(
    "shape", [(1, 3, 32, 40), (1, 3, 30, 30), (3, 32, 32), (1, 1, 32, 32), (32,)]
)
def test_wrong_image_shapes_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"needed is \(B, 3, S, S\) with S a multiple .* 8"):
        clip_of("quick").encode_image(torch.zeros(shape))


@settings(max_examples=15)
@given(native=st.integers(1, 6), grid=st.integers(1, 9), seed=st.integers(0, 2**31))
def test_resized_positions_keep_class_bounds_and_parameter(
    native: int, grid: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    stored = torch.randn(native**2 + 1, 5, generator=generator)
    before = stored.clone()
    resized = resize_positions(stored, grid)
    assert resized.shape == (grid**2 + 1, 5)
    assert_close(resized[0], stored[0])
    assert resized[1:].max() <= stored[1:].max() + 1e-6  # bilinear: a mean of neighbours
    assert resized[1:].min() >= stored[1:].min() - 1e-6
    assert_close(stored, before)
    if grid == native:
        assert resized is stored


def test_resized_positions_of_a_ramp_stay_a_ramp() -> None:
    # Bilinear with pixel centres: 4 columns 0 1 2 3 become 2 columns 0.5 2.5 (by hand).
    ramp = torch.cat([torch.full((1, 1), 9.0), torch.arange(4.0).repeat(4)[:, None]])
    assert resize_positions(ramp, 2)[:, 0].tolist() == [9.0, 0.5, 2.5, 0.5, 2.5]


def test_a_larger_input_leaves_the_network_as_it_was() -> None:
    clip = clip_of("exact")
    before = {name: tensor.clone() for name, tensor in clip.state_dict().items()}
    clip.visual.dual(pixels(SPECS["exact"], grid=5))
    assert all(torch.equal(before[name], tensor) for name, tensor in clip.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_an_image_does_not_see_its_batch(name: str) -> None:
    visual, images = clip_of(name).visual, pixels(SPECS[name], count=3)
    together, alone = visual.dual(images), visual.dual(images[1:2])
    assert_close(alone.image, together.image[1:2], rtol=0, atol=1e-5)
    assert_close(alone.patches(), together.patches()[1:2], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_truncated_text_positions_equal_the_full_computation(name: str) -> None:
    spec, clip = SPECS[name], clip_of(name)
    tokens = random_tokens(spec, 4, seed=3)
    tokens[:, 9:] = 0
    tokens[:, 8] = torch.where((tokens[:, :8] == spec.tokens.end).any(1), 0, spec.tokens.end)
    end = (tokens == spec.tokens.end).int().argmax(1)
    full = clip.text.encode(clip.text.token_embedding(tokens), end)  # all positions
    assert_close(clip.encode_text(tokens), full, rtol=0, atol=1e-5)


def test_a_prompt_does_not_see_its_batch() -> None:
    clip, tokens = clip_of("exact"), random_tokens(SPECS["exact"], 6)
    together = clip.encode_text(tokens)
    for row in range(6):
        assert_close(clip.encode_text(tokens[row : row + 1])[0], together[row], rtol=0, atol=1e-5)


def test_the_text_tower_computes_12_positions_for_faprompt() -> None:
    spec = replace(SPECS["quick"], context_length=77)
    clip = Clip(spec).frozen()
    tokens = torch.full((11, 77), 0)
    tokens[:, 0], tokens[0, 8], tokens[1:, 11] = spec.tokens.start, spec.tokens.end, spec.tokens.end
    with forward_calls(clip.get_submodule("text.transformer.resblocks.0.mlp")) as shapes:
        clip.encode_text(tokens)
    assert shapes == [(11, 12, spec.text.width)]


def test_a_prompt_without_end_token_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no end token \(99\) within 24"):
        clip_of("exact").encode_text(torch.zeros(1, 24, dtype=torch.int64))


def test_deep_prompts_replace_hidden_states_at_the_input_of_the_next_block() -> None:
    clip, spec = clip_of("exact"), SPECS["exact"]  # 3 text blocks: 2 sets fit
    deep = torch.randn(2, 4, spec.text.width)
    embeddings, end = torch.randn(3, 12, spec.text.width), torch.tensor([8, 11, 11])
    x = embeddings + clip.text.positional_embedding[:12]
    first, *rest = clip.text.transformer.resblocks
    seen = torch.ones(12, 12, dtype=torch.bool).tril()
    x, _ = first.masked(x, seen)  # type: ignore[operator]
    for index, block in enumerate(rest):
        x[:, 1:5] = deep[index]
        x, _ = block.masked(x, seen)  # type: ignore[operator]
    expected = clip.text.ln_final(x)[torch.arange(3), end] @ clip.text.text_projection
    assert_close(clip.text.encode(embeddings, end, deep), expected)
    with pytest.raises(ConfigError, match="3 sets of deep prompts need more than 3 text blocks"):
        clip.text.encode(embeddings, end, torch.randn(3, 4, spec.text.width))


def test_a_common_beginning_is_encoded_once_with_equal_results() -> None:
    clip, spec = clip_of("exact"), SPECS["exact"]
    deep = torch.randn(2, 4, spec.text.width)
    beginning = torch.randn(6, spec.text.width)
    endings, end = torch.randn(3, 5, spec.text.width), torch.tensor([2, 4, 3])
    whole = torch.cat([beginning.expand(3, -1, -1), endings], dim=1)
    expected = clip.text.encode(whole, end + 6, deep)
    features, prefix = clip.text.branches(beginning, endings, end, deep)
    assert_close(features, expected)
    assert_close(clip.text.encode(endings, end, prefix=prefix), expected)


def test_attention_that_learns_in_bf16_is_written_out_and_gives_the_fused_gradient() -> None:
    wide = torch.randn(2, 50, 3, 4, 16, requires_grad=True)
    narrow = wide.detach().bfloat16().requires_grad_()
    gradients = list[Tensor]()
    for x in (wide, narrow):
        with torch.profiler.profile() as seen:
            out = full_attention(*x.permute(2, 0, 3, 1, 4))
        fused = any("flash_attention" in event.key for event in seen.key_averages())
        assert fused == (x is wide)
        gradients += torch.autograd.grad(out.float().square().sum(), x)
    largest = float(gradients[0].abs().max())
    assert_close(gradients[1].float(), gradients[0], rtol=0, atol=0.03 * largest)


@pytest.mark.parametrize(
    ("keys", "handed"), [(1370, 1376), (785, 800), (1376, 1376), (1025, 1025), (250, 250)]
)
def test_in_bf16_many_keys_nearly_fill_tiles_and_fill_them_without_weight(
    keys: int, handed: int
) -> None:
    q = torch.full((1, 2, 5, 16), 8.0, dtype=torch.bfloat16)
    k, v = -q[:, :, :1].expand(-1, -1, keys, -1), torch.ones(1, 2, keys, 16, dtype=torch.bfloat16)
    with torch.profiler.profile(record_shapes=True) as seen:
        out = full_attention(q, k, v)  # a key that is no key would outweigh all others
    shapes = [e.input_shapes[1] for e in seen.events() or [] if "flash_attention" in e.key]
    assert {tuple(shape) for shape in shapes} == {(1, 2, handed, 16)}
    assert_close(out, torch.ones_like(q))
    x = torch.randn(3, 1, 2, keys, 16)
    assert_close(full_attention(*x.bfloat16()).float(), full_attention(*x), rtol=0, atol=0.02)


def test_the_last_block_computes_the_class_token_alone() -> None:
    spec, clip = SPECS["exact"], clip_of("exact")
    visual, last = clip.visual, f"transformer.resblocks.{spec.image.layers - 1}.mlp"
    images = pixels(spec)
    with forward_calls(visual.get_submodule(last)) as shapes:
        dual = visual.dual(images)
    assert shapes == [(len(images), 1, spec.image.width)]
    assert_close(dual.ordinary()[:, 0], visual(images), rtol=0, atol=1e-5)


def test_overwrite_keeps_the_rest() -> None:
    x = torch.randn(2, 7, 3)
    found = overwrite(x, torch.zeros(4, 3))
    assert_close(found[:, [0, 5, 6]], x[:, [0, 5, 6]])
    assert not found[:, 1:5].any()


def test_a_convolutional_stem_cuts_the_same_grid() -> None:
    spec = get_spec("tiny")
    visual = ImageEncoder(spec).eval().requires_grad_(False)
    found = visual.dual(torch.randn(1, 3, 96, 96))
    assert found.patches().shape == (1, 36, spec.embed_dim)
    assert found.image.shape == (1, spec.embed_dim)


def test_half_precision_stays_close() -> None:
    spec, clip = SPECS["heads80"], clip_of("heads80")
    images = pixels(spec)
    exact = clip.visual.dual(images).patches()
    rough = clip.to(torch.bfloat16).visual.dual(images).patches()
    assert rough.dtype is torch.bfloat16
    assert torch.cosine_similarity(exact, rough.float(), dim=-1).min() > 0.999
