"""Trains the three tokenizers that parity is tested on, with the Python library, and writes them as they are committed:

    python xtask/reference/train_tokenizers.py crates/prep/tests/fixtures/tokenizers

Not part of `cargo xtask parity`: the library numbers pieces in the order of a hash table, so another run makes other files.
"""

import sys
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import mixed_lines

LINES = mixed_lines.lines()


def bpe():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1500, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    return tokenizer, trainer


def word_piece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # A third of the letters stays unknown.
    return tokenizer, trainers.WordPieceTrainer(vocab_size=1200, special_tokens=specials, limit_alphabet=250)


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=1100, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    return tokenizer, trainer


for make in (bpe, word_piece, unigram):
    tokenizer, trainer = make()
    # Every sixth line stays unseen.
    tokenizer.train_from_iterator([line for i, line in enumerate(LINES) if i // 12 % 6], trainer)
    tokenizer.save(str(Path(sys.argv[1]) / f"{make.__name__}.json"), pretty=False)
