from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faprompt.clip.registry import get_spec
from faprompt.clip.tokenizer import load_tokenizer
from faprompt.pretrain import captions
from faprompt.pretrain.kinds import DEFECT_KINDS, SCENE_KINDS
from faprompt.pretrain.vocabulary import MAX_TOKENS, SPECIAL, build_tokenizer

TINY = get_spec("tiny")
PLACES = [f"{line} {column}" for line in captions.LINES for column in captions.COLUMNS]


@pytest.mark.parametrize("word", ["damaged", "object", "."])
def test_the_words_of_the_method_are_one_token_each(word: str) -> None:
    assert len(load_tokenizer(TINY).ids(word)) == 1


def test_shipped_vocabulary_is_the_registry_entry() -> None:
    tokenizer = load_tokenizer(TINY)
    assert tokenizer.tokens == TINY.tokens
    assert tokenizer.size == TINY.vocab_size <= MAX_TOKENS
    assert TINY.tokens.end != 0, "zero pads"


def test_case_does_not_matter() -> None:
    tokenizer = load_tokenizer(TINY)
    assert tokenizer.ids("Damaged OBJECT.") == tokenizer.ids("damaged object.")


def test_a_vocabulary_built_anew_has_the_same_words() -> None:
    """Ids of equally frequent words may differ between builds, the words may not."""
    built = build_tokenizer()
    words = {token for token in built.get_vocab() if token.endswith("</w>") and len(token) > 6}
    assert {"damaged</w>", "object</w>", "scratched</w>", "flawless</w>"} <= words
    assert [built.id_to_token(index) for index in range(4)] == list(SPECIAL)
    assert built.get_vocab_size() <= MAX_TOKENS


@given(seed=st.integers(0, 2**32))
def test_every_sentence_fits_the_context_and_has_no_unknown_word(seed: int) -> None:
    random, tokenizer = Random(seed), load_tokenizer(TINY)
    scene, defect = random.choice(SCENE_KINDS), random.choice(DEFECT_KINDS)
    texts = [
        *captions.state_pair(random),
        captions.normal_caption(scene, random),
        captions.abnormal_caption(scene, defect, random.choice(PLACES), random),
    ]
    tokens = tokenizer.encode(texts, TINY.context_length)  # raises where it does not fit
    assert not (tokens == SPECIAL.index("<|unknown|>")).any()
    assert all(text.endswith(".") for text in texts)


@given(seed=st.integers(0, 2**32))
def test_normal_and_abnormal_sentences_use_different_states(seed: int) -> None:
    normal, abnormal = captions.state_pair(Random(seed))
    assert normal != abnormal
    assert not {w.strip(".") for w in normal.split()} & set(captions.ABNORMAL_STATES)
    assert {w.strip(".") for w in abnormal.split()} & set(captions.ABNORMAL_STATES)


def test_places_of_masks_and_none_of_an_empty_one() -> None:
    masks = torch.zeros(5, 9, 9)
    for mask, (line, column) in zip(masks, [(0, 0), (4, 4), (8, 0), (4, 8)], strict=False):
        mask[line, column] = 1
    assert captions.places_of(masks) == [
        "top left",
        "middle centre",
        "bottom left",
        "middle right",
        "",
    ]


def test_articles() -> None:
    assert captions.with_article("intact object") == "an intact object"
    assert captions.with_article("scratch") == "a scratch"
