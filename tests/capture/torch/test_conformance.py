"""The shipped conformance tests on PyTorch's modules, models of one's own, and transformers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from limelight.testing import AdapterConformance

WIDE = 8


def numbers(*shape):
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(WIDE, WIDE)

    def forward(self, x):
        return self.inner(x).relu()


class TestEncoder(AdapterConformance):
    """Two layers of PyTorch's encoder, with its fast path."""

    def model(self):
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(WIDE, 2, 16, dropout=0.3, batch_first=True)
        model = nn.TransformerEncoder(layer, 2)
        for parameter in model.parameters():  # its layers start as copies of each other
            nn.init.normal_(parameter, std=0.3)
        return model

    def inputs(self):
        return numbers(3, 5, WIDE)

    def expected(self, model, inputs):
        maps, x = {}, torch.from_numpy(inputs)
        model.eval()
        with torch.no_grad():
            for number, layer in enumerate(model.layers):
                attended = layer.self_attn(x, x, x, average_attn_weights=False)[1]
                maps[f"layers/{number}/self_attn"] = attended.numpy()
                x = layer(x)
        return maps

    def plain(self):
        return Plain()


class Own(nn.Module):
    """Grouped queries through the kernel, causal, then a softmax written by hand."""

    def __init__(self):
        super().__init__()
        self.first, self.second = Kernel(), Hand()

    def forward(self, x):
        return self.second(x + self.first(x))


class Kernel(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.both = nn.Linear(WIDE, WIDE), nn.Linear(WIDE, WIDE)
        self.out, self.dropout = nn.Linear(WIDE, WIDE), nn.Dropout(0.3)

    def parts(self, x):
        query = self.query(x).unflatten(-1, (4, 2)).transpose(1, 2)
        key, value = self.both(x).unflatten(-1, (4, 2)).transpose(1, 2).chunk(2, 1)
        return query, key, value

    def forward(self, x):
        heads = functional.scaled_dot_product_attention(
            *self.parts(x), is_causal=True, enable_gqa=True
        )
        return self.dropout(self.out(heads.transpose(1, 2).flatten(2)))


class Hand(nn.Module):
    def __init__(self):
        super().__init__()
        self.score, self.value = nn.Linear(WIDE, WIDE), nn.Linear(WIDE, WIDE)

    def logits(self, x):
        return self.score(x) @ x.transpose(-1, -2)

    def forward(self, x):
        return torch.softmax(self.logits(x), -1) @ self.value(x)


class TestModelsOfOnesOwn(AdapterConformance):
    def model(self):
        torch.manual_seed(1)
        return Own()

    def inputs(self):
        return numbers(2, 6, WIDE)

    def expected(self, model, inputs):
        model.eval()
        x = torch.from_numpy(inputs)
        with torch.no_grad():
            query, key, _ = model.first.parts(x)
            logits = query @ key.repeat_interleave(2, 1).mT / 2**0.5
            logits = logits.masked_fill(torch.ones(6, 6).triu(1).bool(), -torch.inf)
            second = model.second.logits(x + model.first(x))
        return {"first": logits.softmax(-1).numpy(), "second": second.softmax(-1).numpy()[:, None]}

    def plain(self):
        return Plain()


class TestBert(AdapterConformance):
    """Hugging Face, two sentences of unlike length, as the default kernel computes them."""

    def build(self, kernel="sdpa"):
        from transformers import BertConfig, BertModel

        torch.manual_seed(2)
        config = BertConfig(
            vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=16, attn_implementation=kernel,
        )  # fmt: skip
        return BertModel(config)

    def model(self):
        return self.build()

    def inputs(self):
        ids = np.random.default_rng(0).integers(1, 40, size=(2, 7))
        mask = np.array([[1] * 7, [1] * 4 + [0] * 3])
        return {"input_ids": ids * mask, "attention_mask": mask}

    def expected(self, model, inputs):
        eager = self.build("eager").eval()
        eager.load_state_dict(model.state_dict())
        with torch.no_grad():
            given = {name: torch.from_numpy(value) for name, value in inputs.items()}
            maps = eager(**given, output_attentions=True).attentions
        return {
            f"encoder/layer/{number}/attention/self": weights.numpy()
            for number, weights in enumerate(maps)
        }

    def plain(self):
        class Plainest(nn.Module):
            def __init__(self):
                super().__init__()
                self.words = nn.Embedding(40, WIDE)

            def forward(self, input_ids, attention_mask):
                return self.words(input_ids) * attention_mask[..., None]

        return Plainest()


class TestT5(TestBert):
    """Encoder, decoder and what the one reads of the other; scores with a learned bias."""

    def build(self, kernel="sdpa"):
        from transformers import T5Config, T5Model

        torch.manual_seed(4)
        config = T5Config(
            vocab_size=40, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
            attn_implementation=kernel,
        )  # fmt: skip
        return T5Model(config)

    def inputs(self):
        ids = np.random.default_rng(0).integers(1, 40, size=(2, 7))
        return {"input_ids": ids, "decoder_input_ids": ids[:, :4].copy()}

    def expected(self, model, inputs):
        eager = self.build("eager").eval()
        with torch.no_grad():
            given = {name: torch.from_numpy(value) for name, value in inputs.items()}
            out = eager(**given, output_attentions=True)
        return {
            "encoder/block/0/layer/0/SelfAttention": out.encoder_attentions[0].numpy(),
            "decoder/block/0/layer/0/SelfAttention": out.decoder_attentions[0].numpy(),
            "decoder/block/0/layer/1/EncDecAttention": out.cross_attentions[0].numpy(),
        }

    def plain(self):
        class Plainest(nn.Module):
            def __init__(self):
                super().__init__()
                self.words = nn.Embedding(40, WIDE)

            def forward(self, input_ids, decoder_input_ids):
                return self.words(input_ids).sum() + self.words(decoder_input_ids)

        return Plainest()


@pytest.mark.parametrize("kind", [TestEncoder, TestModelsOfOnesOwn, TestBert, TestT5])
def test_the_models_have_dropout_or_could_not_show_it(kind):
    model = kind().model()
    drops = kind is not TestT5
    assert not drops or any(isinstance(part, nn.Dropout) for part in model.modules())
