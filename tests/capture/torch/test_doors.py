"""Every door of a torch model, on each kernel: cuts, even attention, gradients and the rest."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import transformers

from limelight.testing import DoorConformance
from limelight.testing.doors import refusal

SIZES = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
         "intermediate_size": 24, "max_position_embeddings": 32, "pad_token_id": 0}  # fmt: skip
IDS = np.random.default_rng(0).integers(2, 40, (3, 6))
MASK = np.array([[1] * 6, [1] * 4 + [0] * 2, [1] * 6])
VECTORS = np.random.default_rng(0).normal(size=(3, 6, 16)).astype(np.float32)


def drawn(model, dtype=torch.float32):
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model.eval().to(dtype)


def bert(kernel):
    config = transformers.BertConfig(**SIZES, attn_implementation=kernel)
    return transformers.BertModel(config, add_pooling_layer=False)


def llama(kernel):
    config = transformers.LlamaConfig(**SIZES, num_key_value_heads=2, attn_implementation=kernel)
    return transformers.LlamaModel(config)


class Written(torch.nn.Module):
    """Keys before queries, and a projection by einsum."""

    def __init__(self):
        super().__init__()
        self.qkv = torch.nn.Linear(16, 48)
        self.out = torch.nn.Parameter(torch.zeros(4, 4, 16))

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (4, 4)) for part in self.qkv(x).chunk(3, -1))
        weights = torch.einsum("bkhd,bqhd->bhkq", k, q).softmax(2)
        return torch.einsum("bqhd,hde->bqe", torch.einsum("bhkq,bkhd->bqhd", weights, v), self.out)


class Grouped(torch.nn.Module):
    """Four heads share two of keys, in torch's own kernel."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (torch.nn.Linear(16, width) for width in (16, 8, 8))
        self.o = torch.nn.Linear(16, 16)

    def forward(self, x):
        q, k, v = (f(x).unflatten(-1, (-1, 4)).transpose(1, 2) for f in (self.q, self.k, self.v))
        out = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, is_causal=True, enable_gqa=True
        )
        return self.o(out.transpose(1, 2).flatten(2))


def layer():
    return torch.nn.TransformerEncoder(
        torch.nn.TransformerEncoderLayer(16, 4, 24, batch_first=True), 2
    )


WORDS = {"input_ids": IDS, "attention_mask": MASK}
#: How each is made, and what it takes.
KERNELS = {
    "torch, SDPA, grouped keys": (Grouped, VECTORS),
    "torch, MultiheadAttention": (layer, VECTORS),
    "torch, written by hand": (Written, VECTORS),
    "Hugging Face, SDPA": (lambda: bert("sdpa"), WORDS),
    "Hugging Face, SDPA, grouped keys": (lambda: llama("sdpa"), WORDS),
    "Hugging Face, eager, grouped keys": (lambda: llama("eager"), WORDS),
    "Hugging Face, flex": (lambda: bert("flex_attention"), WORDS),
}


def case(name, dtype=torch.float32):
    make, inputs = KERNELS[name]

    class Case(DoorConformance):
        def model(self):
            return drawn(make(), dtype)

        def inputs(self):
            return inputs

        def projections(self, model, given):
            """Hooks on layers that are called as projections are."""
            noted = {}
            ends = ("attention.output.dense", "o_proj", "o")

            def note(name):
                def hook(module, args, out):
                    noted[name] = out.detach().float().numpy()

                return hook

            hooks = [
                module.register_forward_hook(note(path))
                for path, module in model.named_modules()
                if path.endswith(ends) and isinstance(module, torch.nn.Linear)
            ]
            self.output(model, given)
            for hook in hooks:
                hook.remove()
            names = {"attention.output.dense": "attention.self", ".o_proj": ""}
            return {_site(model, path, names): out for path, out in noted.items()}

    return Case()


def _site(model, path, names):
    for end, instead in names.items():
        if path.endswith(end):
            return (path.removesuffix(end) + instead).replace(".", "/")
    return type(model).__name__.lower()


TESTS = {
    "uniform": "test_even_attention",
    "cut": "test_a_cut",
    "gradients": "test_gradients_by_weights",
    "contributions": "test_contributions",
    "attended": "test_weights_in_the_graph",
    "prune": "test_pruning",
}


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("door", TESTS)
def test_no_kernel_refuses_a_door(name, door):
    with warnings.catch_warnings(), torch.compiler.set_stance("force_eager"):
        warnings.simplefilter("ignore", DeprecationWarning)
        getattr(case(name), TESTS[door])()


class Summed(torch.nn.Module):
    """Weights meet values in a sum of products, not in a matrix product."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (torch.nn.Linear(16, 16) for _ in range(4))

    def forward(self, x):
        q, k, v = (f(x).unflatten(-1, (4, 4)).transpose(1, 2) for f in (self.q, self.k, self.v))
        weights = (q @ k.mT / 2).softmax(-1)
        out = (weights[..., None] * v[:, :, None]).sum(3)
        return self.o(out.transpose(1, 2).flatten(2))


class Bare(torch.nn.Module):
    """What heads give is what it returns."""

    def __init__(self):
        super().__init__()
        self.qkv = torch.nn.Linear(16, 48)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (4, 4)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        return out.transpose(1, 2).flatten(2)


#: Kernels that refuse doors: what their errors say.
REFUSING = {
    "torch, weights times values, then summed": (
        Summed,
        {"uniform": "a sum of products", "contributions": "cannot be followed",
         "prune": "cannot be followed"},
    ),
    "torch, no output projection": (Bare, {"prune": "no output projection was seen"}),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSING)
@pytest.mark.parametrize("door", TESTS)
def test_what_is_refused_says_why(name, door):
    make, reasons = REFUSING[name]

    class Case(DoorConformance):
        projects = not (make is Bare and door == "contributions")

        def model(self):
            return drawn(make())

        def inputs(self):
            return VECTORS

    said = refusal(getattr(Case(), TESTS[door]))
    assert (reasons[door] in said) if door in reasons else (said == "")


def test_the_table_of_the_docs_is_what_the_tests_say(request):
    page = (request.config.rootpath / "docs" / "interventions.md").read_text("utf-8")
    rows = {
        line.split("|")[1].strip(): [cell.strip()[:3].strip() for cell in line.split("|")[2:-1]]
        for line in page.splitlines()
        if line.startswith(("| torch", "| Hugging Face"))
    }
    wanted = {name: ["yes"] * len(TESTS) for name in KERNELS}
    for name, (_, reasons) in REFUSING.items():
        wanted[name] = ["no" if door in reasons else "yes" for door in TESTS]
    assert rows == wanted
