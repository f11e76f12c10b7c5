"""Token ids against transformers' CLIP tokenizer and a naive byte-pair loop."""

import gzip
import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from faprompt.clip.registry import CLIP_TOKENS, REGISTRY, PromptTokens, get_spec
from faprompt.clip.tokenizer import (
    CLIP_MERGES,
    END,
    START,
    Tokenizer,
    byte_symbols,
    clip_vocabulary,
    load_tokenizer,
)
from faprompt.errors import ConfigError, WeightsError

MERGES = [
    ("o", "b"), ("j", "e"), ("c", "t</w>"), ("ob", "je"), ("obje", "ct</w>"), ("d", "a"),
    ("m", "a"), ("g", "e"), ("d</w>", "x"), ("da", "ma"), ("ge", "d</w>"), ("dama", "ged</w>"),
    ("o", "o"), ("oo", "d</w>"), ("1", "2"), ("Ã", "¼"),
]  # fmt: skip
TEXTS = [
    "damaged object .",
    "A photo of a   DAMAGED\tobject's good food, 12 cm; 3½!",
    "übergröße naïve 日本語 🙂",
    "it's we'll they're I'd",
    "",
]


@pytest.fixture(scope="module")
def small() -> Tokenizer:
    return Tokenizer(clip_vocabulary(MERGES))


@pytest.fixture(scope="module")
def openai() -> Tokenizer:
    return Tokenizer.load(merges_file())


def merges_file() -> Path:
    folder = os.environ.get("FAPROMPT_DATA", "")
    path = Path(folder) / "clip" / "bpe_simple_vocab_16e6.txt.gz"
    if not folder or not path.is_file():
        pytest.skip("needs FAPROMPT_DATA/clip/bpe_simple_vocab_16e6.txt.gz")
    return path


def transformers_tokenizer(merges: list[tuple[str, str]]) -> Any:
    symbols = byte_symbols()
    names = [*symbols, *(s + "</w>" for s in symbols), *(a + b for a, b in merges), START, END]
    return transformers.CLIPTokenizer(
        vocab={name: i for i, name in enumerate(names)},
        merges=merges,  # type: ignore[arg-type]
    )


def naive_ids(word: str, merges: list[tuple[str, str]]) -> list[int]:
    """Byte pairs by repeated search for the first merge that applies anywhere."""
    symbols = byte_symbols()
    order = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    order += [b for b in range(256) if b not in order]
    names = [*symbols, *(s + "</w>" for s in symbols), *(a + b for a, b in merges)]
    parts = [symbols[order.index(byte)] for byte in word.encode()]
    parts[-1] += "</w>"
    while True:
        present = [m for m in merges if m in pairwise(parts)]
        if not present:
            return [names.index(part) for part in parts]
        i = next(i for i in range(len(parts)) if tuple(parts[i : i + 2]) == present[0])
        parts[i : i + 2] = ["".join(present[0])]


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_of_transformers(text: str, small: Tokenizer) -> None:
    assert [small.start, *small.ids(text), small.end] == transformers_tokenizer(MERGES)(
        text
    ).input_ids


@settings(max_examples=100)
@given(text=st.text(max_size=30))
def test_any_text_has_the_ids_of_transformers(text: str) -> None:
    ours, theirs = _both()
    assert [ours.start, *ours.ids(text), ours.end] == theirs(text).input_ids


_PAIR: list[Any] = []


def _both() -> list[Any]:
    if not _PAIR:
        _PAIR.extend([Tokenizer(clip_vocabulary(MERGES)), transformers_tokenizer(MERGES)])
    return _PAIR


@settings(max_examples=60)
@given(word=st.text("objectdamgx", min_size=1, max_size=12))
def test_words_equal_a_naive_byte_pair_loop(word: str) -> None:
    assert _both()[0].ids(word) == naive_ids(word, MERGES)


def test_encode_pads_with_zeros_after_the_end(small: Tokenizer) -> None:
    tokens = small.encode(["object", "damaged object"], 6)
    thing, broken = small.tokens.object, small.tokens.damaged
    s, e = small.start, small.end
    assert tokens.tolist() == [[s, thing, e, 0, 0, 0], [s, broken, thing, e, 0, 0]]
    assert small.encode([], 6).shape == (0, 6)


def test_a_text_that_is_too_long_is_refused_or_cut(small: Tokenizer) -> None:
    with pytest.raises(ConfigError, match=r"text of 7 tokens, .* 5 positions: .*'object object"):
        small.encode(["object " * 5], 5)
    tokens = small.encode(["object " * 5], 5, truncate=True)
    assert tokens.tolist() == [[small.start, *[small.tokens.object] * 3, small.end]]


def test_a_tokenizer_json_and_its_folder(small: Tokenizer, tmp_path: Path) -> None:
    small._vocabulary.save(str(tmp_path / "tokenizer.json"))
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        assert Tokenizer.load(path).ids(TEXTS[1]) == small.ids(TEXTS[1])


def test_a_tokenizer_json_of_transformers(small: Tokenizer, tmp_path: Path) -> None:
    transformers_tokenizer(MERGES).save_pretrained(tmp_path)
    for text in TEXTS:
        assert Tokenizer.load(tmp_path).ids(text) == small.ids(text)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xff\xfe\x00", "not a readable vocabulary"),
        (b"\x1f\x8b cut", "not a readable vocabulary"),
        (b"{}", "not a tokenizers file"),
        (b"#version: 0.2\na b\nc d", f"2 byte-pair merges, CLIP has {CLIP_MERGES}"),
    ],
)
def test_what_is_no_vocabulary_is_refused(content: bytes, text: str, tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"v: {text}"):
        Tokenizer.load(tmp_path / "v")


def test_a_missing_vocabulary_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.json: not a readable vocabulary"):
        Tokenizer.load(tmp_path / "gone.json")


def test_the_vocabulary_of_another_model_is_refused(small: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"not the vocabulary of ViT-B-16: its ids are .*14115"):
        small.check(get_spec("ViT-B-16"))
    (tmp_path / "tokenizer.json").write_text(
        json.dumps({"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}})
    )
    with pytest.raises(WeightsError, match=r"no token '<\|startoftext\|>'"):
        Tokenizer.load(tmp_path)


def test_a_word_of_several_tokens_is_refused() -> None:
    with pytest.raises(WeightsError, match="'object' is 6 tokens; needed is one"):
        _ = Tokenizer(clip_vocabulary([])).tokens


def test_who_needs_a_vocabulary_and_has_none_is_told_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"tokenizer\.json of .*patch16.*--tokenizer PATH"):
        load_tokenizer(get_spec("ViT-B-16"))


@pytest.mark.data
def test_the_registry_s_five_ids_are_openai_s(openai: Tokenizer) -> None:
    assert (
        openai.tokens
        == CLIP_TOKENS
        == PromptTokens(start=49406, end=49407, object=14115, damaged=13568, full_stop=269)
    )
    assert openai.size == 49408
    for spec in REGISTRY.values():
        if spec.tokens == CLIP_TOKENS:
            assert load_tokenizer(spec, merges_file()).ids("damaged object.") == [13568, 14115, 269]


@pytest.mark.data
@pytest.mark.parametrize("text", TEXTS)
def test_openai_s_merges_file_gives_transformers_ids(text: str, openai: Tokenizer) -> None:
    lines = gzip.decompress(merges_file().read_bytes()).decode().split("\n")[1 : CLIP_MERGES + 1]
    merges = [(line.split()[0], line.split()[1]) for line in lines]
    assert [49406, *openai.ids(text), 49407] == transformers_tokenizer(merges)(text).input_ids
