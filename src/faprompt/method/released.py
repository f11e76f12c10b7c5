"""Names of the released FAPrompt code, and how its checkpoints become ours.

A released checkpoint is ``{"prompt_learner": state_dict}``. Besides what learns it holds
projections that nothing uses (METHOD section 8.4) and copies of frozen token embeddings, which
tell the backbone that the prompts were learned on.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from faprompt.clip.text_encoder import TextEncoder
from faprompt.config import short
from faprompt.errors import CheckpointError
from faprompt.method.network import PromptLearner

LEARNABLE_NAMES = {
    "ctx_pos": "prompts.normal_tokens",
    "ctx_neg": "prompts.abnormal_tokens",
    "patch_meta_net.linear1.weight": "prior.linear1.weight",
    "patch_meta_net.linear1.bias": "prior.linear1.bias",
    "patch_meta_net.linear2.weight": "prior.linear2.weight",
    "patch_meta_net.linear2.bias": "prior.linear2.bias",
}
"""Released name to ours; ``compound_prompts_text.j`` is row j of ``prompts.deep_tokens``."""

DEEP_NAME = "compound_prompts_text"
DEEP_OURS = "prompts.deep_tokens"
UNUSED_PREFIX = "compound_prompt_projections."
FROZEN_PREFIXES = ("token_prefix_", "token_suffix_", "tokenized_prompts_")
"""Copies of the backbone's token embeddings, and the ids of the prompts."""
EMBEDDING_RTOL, EMBEDDING_ATOL = 1e-3, 1e-6
"""Copies of the token table may have gone through fp16: half a unit in its last place is 5e-4."""


def to_learner_state(released: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename released learnable tensors to a state of :class:`PromptLearner`.

    Raises:
        KeyError: a learnable tensor is missing.
    """
    state = {ours: released[name].float() for name, ours in LEARNABLE_NAMES.items()}
    sets = sum(name.startswith(f"{DEEP_NAME}.") for name in released)
    state[DEEP_OURS] = torch.stack([released[f"{DEEP_NAME}.{j}"].float() for j in range(sets)])
    return state


def import_state(
    released: Mapping[str, Tensor],
    *,
    learner: PromptLearner,
    text_encoder: TextEncoder,
    prompts: tuple[list[int], list[int]],
    path: Path,
) -> tuple[dict[str, Tensor], list[str]]:
    """Check a released ``prompt_learner`` state against a backbone and rename it.

    Args:
        released: The state as it was saved.
        learner: Of the settings and the backbone that it shall fit.
        text_encoder: The backbone's.
        prompts: Token ids of the normality and of the abnormality prompt (learnable ones < 0).
        path: Named in errors.

    Returns:
        State of the learner, and the names of the tensors that were dropped as unused.

    Raises:
        CheckpointError: a tensor is missing, unknown, of another shape, or belongs to another
            backbone.
    """
    dropped = sorted(name for name in released if name.startswith(UNUSED_PREFIX))
    frozen = {name: tensor for name, tensor in released.items() if name.startswith(FROZEN_PREFIXES)}
    learnable = {n: t for n, t in released.items() if n not in frozen and n not in dropped}
    try:
        state = to_learner_state(learnable)
    except KeyError as error:
        raise CheckpointError(f"{path}: not a released FAPrompt checkpoint, no {error}") from None
    except RuntimeError as error:
        raise CheckpointError(f"{path}: deep prompts of different shapes ({error})") from None
    odd = sorted(
        n for n in learnable if n not in LEARNABLE_NAMES and not n.startswith(f"{DEEP_NAME}.")
    )
    if odd:
        raise CheckpointError(f"{path}: unknown tensors {odd}; is this another method's file?")
    check_shapes(state, learner.state_dict(), path=path)
    for side, ids in zip(("pos", "neg"), prompts, strict=True):
        check_frozen(frozen, side, ids=ids, text_encoder=text_encoder, path=path)
    return state, dropped


def check_shapes(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, path: Path
) -> None:
    """Compare names and shapes; the message names file, tensor, found and expected."""
    if odd := sorted(state.keys() ^ expected.keys()):
        raise CheckpointError(f"{path}: tensor names differ from this model's: {short(odd)}")
    for name, want in expected.items():
        if state[name].shape != want.shape:
            raise CheckpointError(
                f"{path}: {name} has shape {tuple(state[name].shape)}, needed is "
                f"{tuple(want.shape)}: it belongs to other settings or another backbone"
            )


def check_frozen(
    frozen: Mapping[str, Tensor],
    side: str,
    *,
    ids: list[int],
    text_encoder: TextEncoder,
    path: Path,
) -> None:
    """Compare stored copies of frozen embeddings and token ids with the backbone's.

    Args:
        frozen: Tensors of a released state whose names start with :data:`FROZEN_PREFIXES`.
        side: ``pos``, the normality prompt, or ``neg``.
        ids: Token ids of that prompt, with negative ones where a learnable token stands.
        text_encoder: The backbone's.
        path: Named in errors.

    Raises:
        CheckpointError: they differ: the prompts were learned on another backbone.
    """
    context = len(text_encoder.positional_embedding)
    # The released code tokenises placeholder words where the learnable tokens stand.
    fixed = [i for i, token in enumerate(ids) if token >= 0]
    first_suffix = 1 + sum(token < 0 for token in ids)
    full = torch.tensor(ids + [0] * (context - len(ids)))
    table = text_encoder.token_embedding.weight.detach().float().cpu()
    expected = {
        f"token_prefix_{side}": table[full[:1]],
        f"token_suffix_{side}": table[full[first_suffix:]],
    }
    for name, want in expected.items():
        if name not in frozen:
            continue
        found = frozen[name].float()
        if found.shape[-2:] != want.shape or not torch.allclose(
            found, want.expand_as(found), rtol=EMBEDDING_RTOL, atol=EMBEDDING_ATOL
        ):
            raise CheckpointError(
                f"{path}: {name} {tuple(found.shape)} differs from the token table of this "
                f"backbone: the prompts were learned on another one; name it with --backbone"
            )
    tokens = frozen.get(f"tokenized_prompts_{side}")
    if tokens is None:
        return
    rows = tokens.reshape(-1, tokens.shape[-1]).long()
    places = [i for i in fixed if i < rows.shape[1]] + list(range(len(ids), rows.shape[1]))
    if rows.shape[1] != context or not bool((rows[:, places] == full[places]).all()):
        raise CheckpointError(
            f"{path}: tokenized_prompts_{side} differs from this backbone's tokens at the fixed "
            f"words (start, damaged, object, full stop, end): another vocabulary or other prompts"
        )
