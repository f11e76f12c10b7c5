"""Text to token ids, from a ``tokenizer.json`` or from OpenAI's file of byte-pair merges.

FAPrompt's own prompts need only the five ids that the registry holds; a vocabulary is for free
text (rival methods, pretraining). Shapes: P texts, T positions.
"""

import gzip
from collections.abc import Sequence
from pathlib import Path

import tokenizers
import torch
from torch import Tensor

from faprompt.clip.hub import EMBEDDED, cached, embedded_file
from faprompt.clip.registry import ClipSpec, PromptTokens
from faprompt.errors import ConfigError, WeightsError
from faprompt.files import expanded

START, END = "<|startoftext|>", "<|endoftext|>"
CLIP_MERGES = 49152 - 256 - 2  # OpenAI reads that many of the 262,000 in the file
WORD_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"  # OpenAI's
TOKENIZER_FILE = "tokenizer.json"
GZIP_MAGIC = b"\x1f\x8b"


class Tokenizer:
    """Encode texts as a backbone's text tower wants them."""

    def __init__(self, vocabulary: tokenizers.Tokenizer, where: object = "tokenizer") -> None:
        self._vocabulary = vocabulary
        self._vocabulary.no_padding()
        self._vocabulary.no_truncation()
        self.where = str(where)
        self.start, self.end = self._special(START), self._special(END)

    @classmethod
    def load(cls, path: Path | str) -> "Tokenizer":
        """Read ``tokenizer.json`` (or a folder holding it), or OpenAI's merges file.

        The merges file (``bpe_simple_vocab_16e6.txt.gz``, or transformers' ``merges.txt``) gives
        CLIP's tokenizer: Unicode NFC, single spaces, lower case, bytes, ``</w>`` at the end of a
        word. OpenAI's repair of broken encodings and HTML entities is not done.

        Raises:
            WeightsError: the file is missing, damaged or neither.
        """
        path = expanded(path)
        path = path / TOKENIZER_FILE if path.is_dir() else path
        try:
            content = path.read_bytes()
            if content.startswith(GZIP_MAGIC):
                content = gzip.decompress(content)
            text = content.decode("utf-8")
        except (OSError, EOFError, ValueError) as error:
            raise WeightsError(f"{path}: not a readable vocabulary ({error})") from error
        if text.lstrip().startswith("{"):
            return cls(_from_json(text, path), path)
        return cls(clip_vocabulary(_merges(text, path)), path)

    @property
    def size(self) -> int:
        """Number of tokens, the special ones included."""
        return int(self._vocabulary.get_vocab_size(with_added_tokens=True))

    def ids(self, text: str) -> list[int]:
        """Token ids of ``text`` alone, without start and end."""
        return list(self._vocabulary.encode(text, add_special_tokens=False).ids)

    def encode(
        self, texts: Sequence[str], context_length: int, *, truncate: bool = False
    ) -> Tensor:
        """Encode texts as (P, T) int64: start, the text, end, then zeros.

        Args:
            texts: P texts.
            context_length: T, positions of the text tower.
            truncate: Cut a text that is too long (its end token is kept) instead of refusing it.

        Raises:
            ConfigError: a text is too long and ``truncate`` is off.
        """
        tokens = torch.zeros(len(texts), context_length, dtype=torch.int64)
        for row, text in zip(tokens, texts, strict=True):
            ids = [self.start, *self.ids(text), self.end]
            if len(ids) > context_length and not truncate:
                raise ConfigError(
                    f"text of {len(ids)} tokens, the text tower has {context_length} positions: "
                    f"shorten it or allow truncation: {text[:60]!r}"
                )
            ids = [*ids[: context_length - 1], self.end] if len(ids) > context_length else ids
            row[: len(ids)] = torch.tensor(ids)
        return tokens

    def check(self, spec: ClipSpec) -> "Tokenizer":
        """Return self if the five ids that FAPrompt relies on are those of ``spec``.

        Raises:
            WeightsError: the vocabulary is another backbone's.
        """
        if self.tokens != spec.tokens:
            raise self._mismatch(spec, f"its ids are {self.tokens}, expected {spec.tokens}")
        if self.size > spec.vocab_size:
            raise self._mismatch(spec, f"{self.size} tokens, the tower knows {spec.vocab_size}")
        return self

    @property
    def tokens(self) -> PromptTokens:
        """The five ids that FAPrompt's prompts are made of, by this vocabulary.

        Raises:
            WeightsError: one of the words is not a single token.
        """
        return PromptTokens(
            start=self.start,
            end=self.end,
            object=self._single("object"),
            damaged=self._single("damaged"),
            full_stop=self._single("."),
        )

    def _single(self, word: str) -> int:
        ids = self.ids(word)
        if len(ids) != 1:
            raise WeightsError(f"{self.where}: {word!r} is {len(ids)} tokens; needed is one")
        return ids[0]

    def _special(self, token: str) -> int:
        found = self._vocabulary.token_to_id(token)
        if found is None:
            raise WeightsError(f"{self.where}: no token {token!r}; needed is a CLIP vocabulary")
        return int(found)

    def _mismatch(self, spec: ClipSpec, what: str) -> WeightsError:
        return WeightsError(
            f"{self.where}: not the vocabulary of {spec.name}: {what}. Name its own file with "
            "--tokenizer PATH"
        )


def load_tokenizer(spec: ClipSpec, path: Path | str | None = None) -> Tokenizer:
    """The checked tokenizer of a backbone.

    Args:
        spec: The backbone.
        path: ``tokenizer.json``, a folder holding it or OpenAI's merges file; by default the
            embedded file (``tiny``), else the one in the Hugging Face cache.

    Raises:
        WeightsError: there is none (the text says which file to give), or it is another's.
    """
    found = Path(path) if path is not None else None
    if found is None and spec.name == EMBEDDED:
        found = embedded_file(TOKENIZER_FILE)
    if found is None and spec.hub_id is not None:
        found = cached(spec.hub_id, (TOKENIZER_FILE,))
    if found is None:
        raise WeightsError(
            f"{spec.name}: a vocabulary is needed for free text and none is on this machine: name "
            f"{TOKENIZER_FILE} of {_source(spec)} with --tokenizer PATH"
        )
    return Tokenizer.load(found).check(spec)


def _source(spec: ClipSpec) -> str:
    if spec.hub_id is None:
        return "the backbone"
    return (
        f"https://huggingface.co/{spec.hub_id}, or bpe_simple_vocab_16e6.txt.gz of "
        "https://github.com/openai/CLIP,"
    )


def _from_json(text: str, path: Path) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_str(text)
    except Exception as error:  # the library raises bare Exception
        raise WeightsError(f"{path}: not a tokenizers file ({error})") from error


def _merges(text: str, path: Path) -> list[tuple[str, str]]:
    """The merges that CLIP uses: the lines after the first, up to their fixed number."""
    pairs = [line.split() for line in text.split("\n")[1 : CLIP_MERGES + 1]]
    merges = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
    if len(merges) != CLIP_MERGES:
        raise WeightsError(
            f"{path}: {len(merges)} byte-pair merges, CLIP has {CLIP_MERGES}; needed: "
            f"{TOKENIZER_FILE} or bpe_simple_vocab_16e6.txt.gz"
        )
    return merges


def byte_symbols() -> list[str]:
    """The printable stand-in of each byte, in the order of CLIP's (and GPT-2's) vocabulary.

    Printable Latin-1 characters stand for themselves and come first; the other bytes follow,
    in order, as the characters from U+0100 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(byte) for byte in printable] + [
        chr(0x100 + place) for place in range(0x100 - len(printable))
    ]


def clip_vocabulary(merges: Sequence[tuple[str, str]]) -> tokenizers.Tokenizer:
    """CLIP's tokenizer with these merges: bytes, bytes ending a word, merges, start and end."""
    from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers

    symbols = byte_symbols()
    names = [*symbols, *(f"{s}</w>" for s in symbols), *(a + b for a, b in merges), START, END]
    model = models.BPE(
        vocab={name: place for place, name in enumerate(names)},
        merges=list(merges),
        unk_token=END,
        continuing_subword_prefix="",
        end_of_word_suffix="</w>",
        fuse_unk=False,
    )
    vocabulary = tokenizers.Tokenizer(model)
    vocabulary.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    vocabulary.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD_PATTERN), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    vocabulary.add_special_tokens([AddedToken(START, special=True), AddedToken(END, special=True)])
    return vocabulary
