"""GPT-2, Llama and Mistral of Hugging Face: logits, losses and gradients; a sampled text's distributions and beams.

The smallest GPT-2 in full size on 16 tokens, everything else in sizes of a few kilobytes. Run through
`cargo xtask parity gpt`.
"""

import math

import torch
from torch.nn import functional as F
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    LogitsProcessorList,
    MinPLogitsWarper,
    MistralConfig,
    MistralForCausalLM,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)
from transformers.models.bloom.modeling_bloom import build_alibi_tensor

import closed_form
import fixture
import ours
import pretrained

torch.set_num_threads(1)
entries = {}


def tokens(name, batch, length, vocab):
    return torch.from_numpy(closed_form.classes(name, batch * length, vocab)).reshape(batch, length)


def compare(name, model, parts, vocab, length=12, extra=()):
    """Logits, loss and gradients on a batch of two."""
    inputs, targets = tokens("inputs", 2, length, vocab), tokens("targets", 2, length, vocab)
    logits = model(inputs).logits
    loss = F.cross_entropy(logits.reshape(-1, vocab), targets.reshape(-1))
    loss.backward()
    entries[f"{name}.logits"] = fixture.entry(logits)
    entries[f"{name}.loss"] = fixture.entry(loss.reshape(1))
    entries.update(ours.gradients(f"{name}.gradients", model, parts))


# The smallest GPT-2, all 124,439,808 parameters.
with torch.no_grad():
    model = ours.fill(GPT2LMHeadModel(GPT2Config()), ours.gpt2_parts(12))
    logits = model(tokens("inputs", 1, 16, 50_257)).logits
    entries["gpt2.logits"] = fixture.entry(logits, keep=64)
    del model

for name, sizes in {
    "gpt2": (768, 12, 12),
    "gpt2_medium": (1024, 24, 16),
    "gpt2_large": (1280, 36, 20),
    "gpt2_xl": (1600, 48, 25),
}.items():
    width, layers, heads = sizes
    with torch.device("meta"):
        model = GPT2LMHeadModel(GPT2Config(n_embd=width, n_layer=layers, n_head=heads))
    entries[f"{name}.parameters"] = fixture.exact([sum(p.numel() for p in model.parameters())])

tiny = pretrained.tiny_gpt2()
compare("tiny", tiny, list(ours.gpt2_parts(2)), pretrained.GPT2_VOCAB)

llama = dict(
    vocab_size=23,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    rms_norm_eps=1e-5,
    tie_word_embeddings=True,
    attn_implementation="eager",
)
for name, model in {
    "llama": LlamaForCausalLM(LlamaConfig(**llama)),
    "mistral": MistralForCausalLM(MistralConfig(**llama, head_dim=4, sliding_window=5)),
}.items():
    parts = list(ours.llama_parts(2))
    ours.fill(model, parts)
    list(ours.swiglu(model, 2, write=True))
    compare(name, model, parts, 23)
    for key, gradient in ours.swiglu(model, 2, write=False):
        entries[f"{name}.gradients.{key}"] = fixture.entry(gradient, 4)

# Slopes: the bias of the key at position 1.
for heads in (4, 6, 12):
    bias = build_alibi_tensor(torch.ones(1, 2), heads, torch.float32)
    entries[f"alibi {heads}"] = fixture.exact(bias.reshape(heads, 2)[:, 1])

# Processors: what is left of a distribution over 40 tokens.
logits = 4.0 * torch.from_numpy(closed_form.data("logits", (3, 40)))
history = torch.tensor([[1, 2, 3, 1, 2, 5, 7, 1, 2]] * 3)
processors = {
    "temperature 0.7": [TemperatureLogitsWarper(0.7)],
    "temperature 1.5": [TemperatureLogitsWarper(1.5)],
    "top_k 1": [TopKLogitsWarper(1)],
    "top_k 5": [TopKLogitsWarper(5)],
    "top_p 0.1": [TopPLogitsWarper(0.1)],
    "top_p 0.9": [TopPLogitsWarper(0.9)],
    "min_p 0.1": [MinPLogitsWarper(0.1)],
    "typical 0.2": [TypicalLogitsWarper(0.2)],
    "typical 0.8": [TypicalLogitsWarper(0.8)],
    "repetition 1.3": [RepetitionPenaltyLogitsProcessor(1.3)],
    "repetition 0.8": [RepetitionPenaltyLogitsProcessor(0.8)],
    "ngram 2": [NoRepeatNGramLogitsProcessor(2)],
    "ngram 3": [NoRepeatNGramLogitsProcessor(3)],
    "all": [
        RepetitionPenaltyLogitsProcessor(1.3),
        NoRepeatNGramLogitsProcessor(3),
        TemperatureLogitsWarper(0.8),
        TopKLogitsWarper(20),
        TopPLogitsWarper(0.95),
        MinPLogitsWarper(0.02),
        TypicalLogitsWarper(0.9),
    ],
}
for name, steps in processors.items():
    processed = LogitsProcessorList(steps)(history, logits.clone())
    entries[f"process {name}"] = fixture.exact(processed.double().softmax(1))

# Whole texts of the tiny GPT-2.
prompt = tokens("prompt", 1, 4, pretrained.GPT2_VOCAB)


def generated(name, prompt, **settings):
    mask = settings.pop("attention_mask", torch.ones_like(prompt))
    out = tiny.generate(
        prompt,
        attention_mask=mask,
        do_sample=False,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_scores=True,
        **{"eos_token_id": None, **settings},
    )
    entries[name] = fixture.exact(out.sequences[:, prompt.shape[1] :].double())
    if "num_beams" in settings:
        entries[f"{name} scores"] = fixture.exact(out.sequences_scores)


generated("greedy", prompt, max_new_tokens=16)
generated("greedy repetition", prompt, max_new_tokens=16, repetition_penalty=1.4)
generated("greedy ngram", prompt, max_new_tokens=16, no_repeat_ngram_size=2)
generated("beam", prompt, max_new_tokens=8, num_beams=3, num_return_sequences=3)
generated("beam short", prompt, max_new_tokens=8, num_beams=3, num_return_sequences=3, length_penalty=0.0)
for end, penalty in ((4, 1.0), (25, 1.0), (26, 0.0), (26, 1.0), (12, 0.3)):
    generated(
        f"beam end {end} penalty {penalty}",
        prompt,
        max_new_tokens=10,
        num_beams=4,
        num_return_sequences=4,
        eos_token_id=end,
        length_penalty=penalty,
    )
# A batch of two lengths, padded on the left.
short = prompt[:, 2:]
padded = torch.cat([prompt, torch.cat([torch.zeros_like(short), short], 1)])
mask = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]])
generated("greedy padded", padded, attention_mask=mask, max_new_tokens=10, no_repeat_ngram_size=2)

fixture.write("sequence", "gpt", entries)
