"""Ablation and importance against one gated run after the other, and what their results say."""

import numpy as np
import pytest
import small
import torch

import limelight as ll
from limelight.errors import LimelightWarning, StudyError
from limelight.studying.digests import state_digest


@pytest.fixture(scope="module")
def model():
    return small.model()


def losses(model, x, y):
    with torch.no_grad():
        logits = model(torch.as_tensor(x))
    return torch.nn.functional.cross_entropy(logits, torch.as_tensor(y), reduction="none").numpy()


@pytest.mark.parametrize("replace", ["zero", "mean", "sample", "uniform"])
def test_an_effect_is_what_a_gated_run_loses(model, replace):
    x, y = small.data(33)
    result = ll.ablation(model, (x, y), replace=replace, each=True)
    parts = [slice(0, 33)] if replace == "sample" else [slice(0, 32), slice(32, 33)]
    alone = small.model().eval()
    for site in result["site"].values:
        for head in result["head"].values:
            effect = []
            for part in parts:  # a mean, or a sample, is of the partition
                whole = losses(alone, x[part], y[part])
                how = None if replace == "zero" else replace
                with ll.gate(alone, {(site, int(head)): 0.0}, replace=how):
                    effect.append(losses(alone, x[part], y[part]) - whole)
            at = {"site": site, "head": head}
            np.testing.assert_allclose(result["each"].sel(at), np.concatenate(effect), atol=2e-6)
            assert abs(float(result["effect"].sel(at)) - np.concatenate(effect).mean()) < 2e-6
    assert result.attrs["replace"] == replace
    assert model.training


def test_importance_is_the_mean_size_of_each_examples_gradient(model):
    x, y = small.data(6)
    result = ll.importance(model, (x, y), each=True)
    alone = small.model().eval()
    sites = [str(site) for site in result["site"].values]
    for example in range(6):
        gates = {site: torch.ones(small.HEADS, requires_grad=True) for site in sites}
        with ll.gate(alone, gates):
            logits = alone(torch.as_tensor(x[example : example + 1]))
        loss = torch.nn.functional.cross_entropy(logits, torch.as_tensor(y[example : example + 1]))
        for site, slope in zip(sites, torch.autograd.grad(loss, list(gates.values())), strict=True):
            np.testing.assert_allclose(
                result["each"].sel(site=site).isel(example=example), slope, atol=1e-6
            )
    each = result["each"]
    np.testing.assert_allclose(result["importance"], np.abs(each).mean("example"))
    np.testing.assert_allclose(result["first_order"], -each.mean("example"))
    assert "p_value" not in result


def test_first_order_is_exact_where_the_metric_is_linear_in_a_gate():
    linear = small.model(layers=1)
    linear.encoder.layers[0] = Linear()
    linear.normal = linear.head = torch.nn.Identity()

    def summed(outputs, targets):
        return outputs.sum(-1)

    x, _ = small.data(12)
    exact = ll.ablation(linear, (x,), metric=summed)["effect"]
    np.testing.assert_allclose(
        ll.importance(linear, (x,), metric=summed)["first_order"], exact, atol=1e-6
    )


class Linear(torch.nn.Module):
    """Attention, and nothing else."""

    def __init__(self):
        super().__init__()
        self.self_attn = torch.nn.MultiheadAttention(8, small.HEADS, batch_first=True)

    def forward(self, x, *args, **kwargs):
        return self.self_attn(x, x, x, need_weights=False)[0]


def test_one_half_of_the_units_names_the_strongest_and_the_other_measures_it(model):
    data = small.data(40)
    result = ll.ablation(model, data, each=True)
    from limelight.studying.units import Units

    choosing, measuring = Units(40).halves(0)
    each = result["each"].values
    site, head = np.unravel_index(each[..., choosing].mean(-1).argmax(), (2, 2))
    assert result.attrs["strongest"] == f"{result['site'].values[site]}#{head}"
    np.testing.assert_allclose(result["effect_held_out"], each[..., measuring].mean(-1))
    assert result.attrs["strongest"] in result.attrs["sentence"]
    better = ll.ablation(model, data, metric="probability", split=True)
    chosen = better["effect_choosing"].values
    site, head = np.unravel_index(chosen.argmin(), (2, 2))
    assert better.attrs["strongest"] == f"{result['site'].values[site]}#{head}"
    assert "effect_held_out" not in ll.ablation(model, data, split=False)


def test_units_are_what_every_n_counts(model):
    data = small.data(40)
    result = ll.ablation(model, data, resample_by=np.arange(40) // 2)
    assert (result.attrs["n"], result.attrs["of"]) == (20, "units")
    assert "n = 20 units" in result.attrs["sentence"]
    with pytest.raises(StudyError, match="3 labels in resample_by for 40"):
        ll.ablation(model, data, resample_by=[1, 2, 3])


@pytest.mark.parametrize("study", [ll.ablation, ll.importance])
def test_a_model_stays_as_it_was(study):
    model = small.model(seed=3)
    model.encoder.layers[0].linear1.weight.requires_grad_(False)
    hook = model.head.register_forward_hook(lambda *_: None)
    before, drawn = state_digest(model), torch.get_rng_state()
    loader = torch.utils.data.DataLoader(
        list(zip(*map(torch.as_tensor, small.data(9)), strict=True))
    )
    study(model, loader, progress=lambda *_: np.random.random())  # noqa: NPY002
    assert state_digest(model) == before
    assert torch.equal(torch.get_rng_state(), drawn)
    hook.remove()
    assert state_digest(model) != before


def test_what_becomes_of_a_model_shows_in_its_digest():
    model = small.model()
    seen = {state_digest(model)}
    model.eval()
    seen.add(state_digest(model))
    with torch.no_grad():
        model.normal.running_mean += 1
    seen.add(state_digest(model))
    model.head.bias.requires_grad_(False)
    seen.add(state_digest(model))
    np.random.random()  # noqa: NPY002  # the state that is meant
    seen.add(state_digest(model))
    assert len(seen) == 5


def test_a_quick_look_takes_a_part_of_the_data_from_all_over(model):
    x, y = small.data(296)
    result = ll.ablation(model, (x, y), quick=True, each=True)
    assert result.attrs["n"] == result.sizes["example"] == 64
    assert result["example"].values[[0, -1]].tolist() == [0, 295]
    whole = ll.ablation(model, (x, y), each=True)
    np.testing.assert_allclose(
        result["each"], whole["each"].sel(example=result["example"]), atol=2e-6
    )
    assert result.attrs["quick"] == 1


def test_a_metric_of_a_users_own_says_what_it_is(model):
    def share(outputs, targets):
        return outputs.softmax(-1)[:, 1]

    share.units, share.better = "probability", "higher"
    result = ll.ablation(model, small.data(8), metric=share)
    assert result.attrs["metric"] == "share"
    assert (result.attrs["units"], result.attrs["better"]) == ("probability", "higher")


def test_data_may_be_cut_and_ordered_otherwise(model):
    x, y = small.data(20)
    order = np.random.default_rng(2).permutation(20)
    for metric in ("loss", "margin", "change"):
        each = ll.ablation(model, (x, y), metric=metric, each=True)["each"].values
        other = ll.ablation(model, (x[order], y[order]), metric=metric, each=True, partition=7)
        np.testing.assert_allclose(other["each"].values, each[..., order], atol=3e-6)


def test_schemes(model):
    x, y = small.data(12)
    single = ll.ablation(model, (x, y), scheme="one")
    rest = ll.ablation(model, (x, y), scheme="all-but-one")
    np.testing.assert_allclose(rest["effect"].values, single["effect"].values[:, ::-1], atol=1e-6)
    every = ll.ablation(model, (x, y), scheme="cumulative")
    assert float(every["effect"][0, 0]) == pytest.approx(float(single["effect"][0, 0]), abs=1e-6)
    alone = small.model().eval()
    gates = {(str(site), None): 0.0 for site in single["site"].values}
    with ll.gate(alone, gates):
        silent = losses(alone, x, y)
    expected = (silent - losses(alone, x, y)).mean()
    assert float(every["effect"][1, 1]) == pytest.approx(expected, abs=2e-6)


def test_heads_that_share_their_keys_go_together():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    settings = transformers.LlamaConfig(
        vocab_size=20, hidden_size=16, intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(settings).eval()
    ids = np.random.default_rng(0).integers(0, 20, size=(6, 5))
    data = {"input_ids": ids, "labels": ids}
    grouped = ll.ablation(model, data, key_groups=True)
    assert grouped["effect"].dims == ("site", "key_group")
    assert grouped.sizes["key_group"] == 2
    site = str(grouped["site"].values[1])
    pair = ll.ablation(model, data, heads={site: [2, 3]}, scheme="cumulative")
    expected = float(pair["effect"].sel(site=site, head=3))
    assert float(grouped["effect"].sel(site=site, key_group=1)) == pytest.approx(expected, abs=1e-6)
    slopes = ll.importance(model, data)["first_order"].sel(site=site).values
    together = ll.importance(model, data, key_groups=True)["first_order"].sel(site=site).values
    np.testing.assert_allclose(together, slopes.reshape(2, 2).sum(1), atol=1e-6)
    with pytest.raises(StudyError, match="each head has keys of its own"):
        ll.ablation(small.model(), small.data(4), key_groups=True)


def test_a_head_without_which_nothing_is_finite_has_no_effect():
    model = small.model(layers=1)
    model.encoder.layers[0] = Dividing()
    with pytest.warns(LimelightWarning, match="Without head 1 of 'encoder/layers/0'"):
        result = ll.ablation(model, small.data(8), metric="change")
    assert np.isfinite(result["effect"][0, 0])
    assert np.isnan(result["effect"][0, 1])


class Dividing(Linear):
    """Divides by what its last head gives."""

    def forward(self, x, *args, **kwargs):
        attention = self.self_attn
        size = x.shape[-1] // attention.num_heads
        packed = torch.nn.functional.linear(x, attention.in_proj_weight, attention.in_proj_bias)
        query, key, value = (
            part.unflatten(-1, (attention.num_heads, size)).transpose(1, 2)
            for part in packed.chunk(3, -1)
        )
        out = torch.nn.functional.scaled_dot_product_attention(query, key, value)
        return out.transpose(1, 2).flatten(-2) / out[:, -1:].abs().sum(-1).transpose(1, 2)
