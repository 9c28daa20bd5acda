"""What the Python library `tokenizers` makes of 2,400 lines of mixed scripts: a SHA-256 over each hundred, and some lines in full."""

import hashlib
import math
import struct
from pathlib import Path

from tokenizers import Tokenizer

import fixture
import mixed_lines

FILES = Path(__file__).resolve().parents[3] / "crates/prep/tests/fixtures/tokenizers"
BLOCK = 100


def entry(values):
    norm = math.sqrt(math.fsum(value * value for value in values))
    return {"shape": [len(values)], "norm": fixture.number(norm), "stride": 1, "values": values}


def digest(parts):
    return entry(list(hashlib.sha256(b"".join(parts)).digest()))


def packed(ids):
    return struct.pack(f"<{len(ids) + 1}I", len(ids), *ids)


lines = mixed_lines.lines()
entries = {"lines": digest([line.encode() + b"\n" for line in lines])}
for name in ("bpe", "word_piece", "unigram"):
    tokenizer = Tokenizer.from_file(str(FILES / f"{name}.json"))
    ids = [encoding.ids for encoding in tokenizer.encode_batch(lines)]
    texts = [tokenizer.decode(line) for line in ids]
    for start in range(0, len(lines), BLOCK):
        entries[f"{name} ids {start}"] = digest([packed(line) for line in ids[start : start + BLOCK]])
        entries[f"{name} texts {start}"] = digest([text.encode() + b"\n" for text in texts[start : start + BLOCK]])
    for index in range(12):
        entries[f"{name} line {index}"] = entry(ids[index])
fixture.write("prep", "tokenizers", entries)
