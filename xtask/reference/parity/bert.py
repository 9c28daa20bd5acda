"""BERT of Hugging Face and sentence vectors of sentence-transformers; ViT of torchvision: outputs, losses, gradients.

Run through `cargo xtask parity bert`.
"""

import torch
import torchvision
from torch.nn import functional as F
from transformers import BertConfig, BertForMaskedLM, BertModel

import closed_form
import fixture
import pretrained

torch.set_num_threads(1)
entries = {}

model = pretrained.tiny_bert()
tokens = torch.from_numpy(closed_form.classes("tokens", 20, 31)).reshape(2, 10)
targets = torch.from_numpy(closed_form.classes("targets", 20, 31)).reshape(2, 10)
real = torch.ones(2, 10, dtype=torch.bool)
real[1, 7:] = False
chosen = torch.from_numpy(closed_form.classes("chosen", 20, 3)).reshape(2, 10).eq(0) & real
logits = model(tokens, attention_mask=real.long()).logits
loss = F.cross_entropy(logits[chosen], targets[chosen])
loss.backward()
entries["bert.logits"] = fixture.entry(logits)
entries["bert.loss"] = fixture.entry(loss.reshape(1))
for name, parameter in model.named_parameters():
    entries[f"bert.gradients.{name}"] = fixture.entry(parameter.grad, 4)

encoder = pretrained.tiny_encoder(31)
segments = torch.tensor([[0] * 6 + [1] * 4] * 2)
out = encoder(tokens, attention_mask=real.long(), token_type_ids=segments)
entries["encoder.states"] = fixture.entry(out.last_hidden_state)
entries["encoder.pooled"] = fixture.entry(out.pooler_output)

large = dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096)
mini_lm = dict(hidden_size=384, num_hidden_layers=6, intermediate_size=1536)
for name, make in {
    "base": lambda: BertModel(BertConfig()),
    "large": lambda: BertModel(BertConfig(**large)),
    "mini_lm": lambda: BertModel(BertConfig(**mini_lm)),
    "masked": lambda: BertForMaskedLM(BertConfig()),
    "vit_b_16": torchvision.models.vit_b_16,
    "vit_b_32": torchvision.models.vit_b_32,
    "vit_l_16": torchvision.models.vit_l_16,
}.items():
    with torch.device("meta"):
        parameters = sum(p.numel() for p in make().parameters())
    entries[f"{name}.parameters"] = fixture.exact([parameters])

entries["sentences"] = fixture.exact(pretrained.sentence_vectors())

vit = torchvision.models.VisionTransformer(24, 8, 2, 2, 12, 20, num_classes=5)
closed_form.fill(vit)
images = torch.from_numpy(closed_form.data("images", (2, 3, 24, 24)))
classes = torch.from_numpy(closed_form.classes("classes", 2, 5))
logits = vit(images)
loss = F.cross_entropy(logits, classes)
loss.backward()
entries["vit.logits"] = fixture.entry(logits)
entries["vit.loss"] = fixture.entry(loss.reshape(1))
for name, parameter in vit.named_parameters():
    if "in_proj" in name:
        for i, part in enumerate(parameter.grad.chunk(3)):
            offset = i * part.numel()
            entries[f"vit.gradients.{name}" + (f"@{offset}" if offset else "")] = fixture.entry(part, 4)
    else:
        entries[f"vit.gradients.{name}"] = fixture.entry(parameter.grad, 4)

fixture.write("sequence", "bert", entries)
