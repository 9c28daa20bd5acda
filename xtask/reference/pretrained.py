"""Tiny models in the folders that Hugging Face's libraries write, with closed-form weights.

Run `python xtask/reference/pretrained.py` to write `crates/sequence/tests/fixtures/tiny-{gpt2,bert,sentences}`, and
`torch-recurrent`, files of torch.nn's recurrent layers as PyTorch drew them (seed 0), with an input and what they make of it. Not part of
`cargo xtask parity`: another run learns another tokenizer. The parity scripts build the same models in memory, but read
the sentence encoder's folder.
"""

from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertForMaskedLM, BertModel, GPT2Config, GPT2LMHeadModel

import closed_form
import ours

FIXTURES = Path(__file__).resolve().parents[2] / "crates/sequence/tests/fixtures"
GPT2_VOCAB = 37
SENTENCES = [
    "A network reads numbers, not letters.",
    "The cat sat on the mat!",
    "the mat sat on the cat",
    "Numbers are rows of a table, and the table is learnt from sentences that the network reads again and again.",
    "Größe",
]


def tiny_gpt2():
    config = GPT2Config(
        vocab_size=GPT2_VOCAB, n_positions=32, n_embd=24, n_layer=2, n_head=3, bos_token_id=0, eos_token_id=0
    )
    return ours.fill(GPT2LMHeadModel(config), ours.gpt2_parts(2))


def tokenizer():
    """WordPiece, learnt from SENTENCES but the last, which has an unknown word."""
    made = BertWordPieceTokenizer(lowercase=True)
    made.train_from_iterator(SENTENCES[:-1] * 4, vocab_size=120, min_frequency=1, show_progress=False)
    return made


def bert_config(vocab_size):
    return BertConfig(
        vocab_size=vocab_size,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=40,
        max_position_embeddings=48,
    )


def tiny_bert():
    return closed_form.fill(BertForMaskedLM(bert_config(31))).eval()


def tiny_encoder(vocab_size):
    return closed_form.fill(BertModel(bert_config(vocab_size))).eval()


def sentence_vectors():
    """What the sentence-transformers library makes of SENTENCES with the model in the committed folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    words = Transformer(str(FIXTURES / "tiny-sentences"))
    pooling = Pooling(words.get_embedding_dimension(), "mean")
    model = SentenceTransformer(modules=[words, pooling, Normalize()], device="cpu")
    return model.encode(SENTENCES, convert_to_tensor=True)


def write_recurrent(folder):
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    options = {"num_layers": 2, "bidirectional": True, "batch_first": True}
    for name, make, more in [
        ("rnn", torch.nn.RNN, {}), ("lstm", torch.nn.LSTM, {"proj_size": 3}), ("gru", torch.nn.GRU, {})
    ]:
        torch.manual_seed(0)
        layer, x = make(4, 6, **options, **more), torch.randn(2, 5, 4)
        with torch.no_grad():
            output, last = layer(x)
        hidden = last[0] if name == "lstm" else last
        seen = {"input": x, "output": output, "hidden": hidden}
        tensors = {key: value.contiguous() for key, value in {**layer.state_dict(), **seen}.items()}
        save_file(tensors, str(folder / f"{name}.safetensors"))


def write_encoder(folder):
    from transformers import BertTokenizerFast

    words = tokenizer()
    tiny_encoder(words.get_vocab_size()).save_pretrained(folder)
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")}
    BertTokenizerFast(tokenizer_object=words._tokenizer, model_max_length=48, **special).save_pretrained(folder)


if __name__ == "__main__":
    tiny_gpt2().save_pretrained(FIXTURES / "tiny-gpt2")
    tiny_bert().save_pretrained(FIXTURES / "tiny-bert")
    write_encoder(FIXTURES / "tiny-sentences")
    write_recurrent(FIXTURES / "torch-recurrent")
    for extra in FIXTURES.glob("tiny-*/*"):
        if extra.name not in ("config.json", "model.safetensors", "tokenizer.json"):
            extra.unlink()
