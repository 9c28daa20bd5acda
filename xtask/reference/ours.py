"""Other libraries' Transformers under the names of `fornax_sequence`.

A function `…_parts` says, for every parameter of ours, where it lies in the other library's model: the tensor, which equal
part of it along which dimension, and whether it has to be transposed to lie as an `nn.Linear`'s weight. With that, `fill`
gives the parts their closed-form values and `gradients` makes fixture entries of their gradients.
"""

import torch

import closed_form
import fixture


def _gpt2(i):
    block, h = f"stack.blocks.{i}", f"transformer.h.{i}"
    for index, name in enumerate(("query", "key", "value")):
        yield f"{block}.attention.{name}.weight", f"{h}.attn.c_attn.weight", (1, index, 3), True
        yield f"{block}.attention.{name}.bias", f"{h}.attn.c_attn.bias", (0, index, 3), False
    for ours, theirs in (
        ("attention.output", "attn.c_proj"),
        ("feed_forward.up", "mlp.c_fc"),
        ("feed_forward.down", "mlp.c_proj"),
    ):
        yield f"{block}.{ours}.weight", f"{h}.{theirs}.weight", None, True
        yield f"{block}.{ours}.bias", f"{h}.{theirs}.bias", None, False
    for ours, theirs in (("attention_norm", "ln_1"), ("feed_forward_norm", "ln_2")):
        for leaf in ("weight", "bias"):
            yield f"{block}.{ours}.{leaf}", f"{h}.{theirs}.{leaf}", None, False


def gpt2_parts(layers):
    """Of `GPT2LMHeadModel`."""
    yield "tokens.weight", "transformer.wte.weight", None, False
    yield "positions.weight", "transformer.wpe.weight", None, False
    for i in range(layers):
        yield from _gpt2(i)
    for leaf in ("weight", "bias"):
        yield f"stack.norm.{leaf}", f"transformer.ln_f.{leaf}", None, False


def llama_parts(layers):
    """Of `LlamaForCausalLM` and `MistralForCausalLM` with tied embeddings. `up` is the gate above the other half."""
    yield "tokens.weight", "model.embed_tokens.weight", None, False
    for i in range(layers):
        block, h = f"stack.blocks.{i}", f"model.layers.{i}"
        for name in ("query", "key", "value", "output"):
            yield f"{block}.attention.{name}.weight", f"{h}.self_attn.{name[0]}_proj.weight", None, False
        yield f"{block}.feed_forward.down.weight", f"{h}.mlp.down_proj.weight", None, False
        yield f"{block}.attention_norm.weight", f"{h}.input_layernorm.weight", None, False
        yield f"{block}.feed_forward_norm.weight", f"{h}.post_attention_layernorm.weight", None, False
    yield "stack.norm.weight", "model.norm.weight", None, False


def _part(tensor, part, transposed):
    if part:
        dim, index, of = part
        tensor = tensor.chunk(of, dim)[index]
    return tensor.T if transposed else tensor


def fill(model, parts):
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for ours, theirs, part, transposed in parts:
            view = _part(parameters[theirs], part, transposed)
            view.copy_(torch.from_numpy(closed_form.parameter(ours, tuple(view.shape))))
    return model.eval()


def gradients(prefix, model, parts, keep=4):
    parameters = dict(model.named_parameters())
    return {
        f"{prefix}.{ours}": fixture.entry(_part(parameters[theirs].grad, part, transposed), keep)
        for ours, theirs, part, transposed in parts
    }


def swiglu(model, layers, write):
    """The gate and the other half of Llama's feed-forward layer are one tensor of ours; `write` fills it, or it is read."""
    for i in range(layers):
        mlp = model.get_submodule(f"model.layers.{i}.mlp")
        name = f"stack.blocks.{i}.feed_forward.up.weight"
        halves = [mlp.gate_proj.weight, mlp.up_proj.weight]
        if write:
            both = torch.from_numpy(closed_form.parameter(name, (2 * halves[0].shape[0], halves[0].shape[1])))
            with torch.no_grad():
                for half, value in zip(halves, both.chunk(2)):
                    half.copy_(value)
        else:
            yield name, torch.cat([half.grad for half in halves])
