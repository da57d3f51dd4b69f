"""Whatever a model can reach is after a capture as it was before, by value and to the bit."""

from __future__ import annotations

import ctypes
import io
import itertools
import queue
import random
import tempfile
import threading
import warnings
import weakref
from argparse import Namespace
from array import array
from collections import defaultdict, deque
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from weakref import WeakKeyDictionary

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import limelight as ll
from limelight.errors import LimelightWarning, UnsupportedModelError

B, T, D = 2, 5, 8


class Kind(nn.Module):
    """Attends, after it has left a trace."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(D, 2, batch_first=True)
        self.begin()

    def begin(self):
        """Make what is written to."""

    def write(self, x):
        raise NotImplementedError

    def state(self):
        """Return what must stay, as something that compares."""
        raise NotImplementedError

    def forward(self, x):
        x = self.write(x)
        return self.attention(x, x, x)[0]


class OnASphere(Kind):
    def begin(self):
        self.w = nn.Parameter(torch.randn(64, 64))

    def write(self, x):
        self.w.data = functional.normalize(self.w.data * 1.01)
        with torch.no_grad():
            self.w.mul_(0.999)
        return x @ self.w[:D, :D]

    def state(self):
        return self.w.tolist()


class WrittenThroughAView(OnASphere):
    def write(self, x):
        rows = self.w.detach().T[1:]
        rows += 1
        self.w.data[0, 0] = 7
        torch._foreach_mul_([self.w.data], 2.0)
        torch.add(rows, 1, out=self.w.data[:, 1:].T)
        torch.ops.aten.zero_(self.w.data[3])
        self.w.detach().numpy()[5] = 3
        return x


class ShortenedRows(Kind):
    def begin(self):
        self.table = nn.Embedding(700, D, max_norm=0.1)

    def write(self, x):
        return x + self.table(torch.arange(T))

    def state(self):
        return self.table.weight.tolist()


class StatisticsOfTheBatch(Kind):
    def begin(self):
        self.norm = nn.BatchNorm1d(D)
        self.mean, self.var = torch.zeros(D), torch.ones(D)  # neither parameters nor buffers

    def write(self, x):
        norm = self.norm
        for mean, var in ((norm.running_mean, norm.running_var), (self.mean, self.var)):
            x = functional.batch_norm(x.mT, mean, var, training=True).mT
        return x

    def state(self):
        tensors = (self.norm.running_mean, self.norm.running_var, self.mean, self.var)
        return [tensor.tolist() for tensor in tensors]


class Generators(Kind):
    def begin(self):
        self.torch = torch.Generator().manual_seed(1)
        self.config = {"noise": {"numpy": np.random.default_rng(2)}}
        self.legacy = [np.random.RandomState(3)]
        self.python = (random.Random(4),)

    def write(self, x):
        self.config["noise"]["numpy"].normal()
        self.legacy[0].normal()
        self.python[0].random()
        return x + torch.randn(x.shape, generator=self.torch)

    def state(self):
        legacy = self.legacy[0].get_state()
        return (self.torch.get_state().tolist(), self.config["noise"]["numpy"].bit_generator.state,
                legacy[1].tolist(), legacy[2:], self.python[0].getstate())  # fmt: skip


class Averages:
    """A helper that is no module, as those that keep a momentum."""

    __slots__ = ("calls", "mean", "owner", "unset")

    def __init__(self, owner):
        self.calls, self.mean, self.owner = 0, torch.zeros(64, 64), owner


class Helpers(Kind):
    def begin(self):
        self.helper = Averages([self])  # and back again
        self.cache = [{"keys": torch.ones(40, 40), "array": np.zeros(3)}, deque([1], maxlen=2)]
        self.same = self.cache[0]
        self.seen, self.raw, self.counts = {1}, bytearray(b"abc"), defaultdict(int)

    def write(self, x):
        self.helper.calls += 1
        self.helper.unset = 1
        self.helper.mean.mul_(0.9).add_(x.mean())
        self.same["keys"] += 1
        self.cache[0]["array"][:] = 5
        self.cache[0]["new"] = x
        self.cache[1].extend([2, 3])
        self.seen.add(2)
        self.raw[0] = 0
        self.counts["calls"] += 1
        return x

    def state(self):
        first = self.cache[0]
        return (hasattr(self.helper, "unset"), self.helper.calls, self.helper.mean.tolist(),
                list(first), first["keys"].tolist(),
                first["array"].tolist(), list(self.cache[1]), self.seen, bytes(self.raw),
                dict(self.counts))  # fmt: skip


class Counters(Kind):
    calls = 0
    numbers = itertools.count()

    def begin(self):
        total = 0

        def add():
            nonlocal total
            total += 1
            return total

        self.ids, self.turns, self.add = itertools.count(), itertools.cycle([1, 2, 3]), add
        self.total = lambda: total
        self.rows = [iter([1, 2, 3]), zip(range(9), [4, 5, 6], strict=False)]

    def write(self, x):
        type(self).calls += 1
        values = (self.ids, self.turns, self.numbers, *self.rows)
        self.add()
        return x + sum(np.sum(next(value)) for value in values) * 0

    def state(self):
        return (repr(self.ids), repr(self.numbers), self.calls, self.total(),
                self.turns.__reduce__()[2][1],
                [row.__reduce__()[0] for row in self.rows])  # fmt: skip


COUNTS = {"calls": 0, "rows": []}
MEAN, DRAWN = torch.zeros(D), np.random.default_rng(0)


class Registry:
    """Belongs to no model, and is named by one."""

    calls, seen, mean = 0, [], torch.zeros(D)


def counted(x, calls=[0]):  # noqa: B006  # it is what is tested
    calls[0] += 1
    counted.total = getattr(counted, "total", 0) + 1
    COUNTS["calls"] += 1
    COUNTS["rows"].append(calls[0])
    MEAN.add_(1)
    return x + DRAWN.random() * 0


class Elsewhere(Kind):
    """Counts in globals, in classes and functions that it names, and in what these enclose."""

    def begin(self):
        COUNTS.update(calls=0, rows=[])
        Registry.calls, Registry.seen = 0, []
        for mean in (MEAN, Registry.mean):
            mean.zero_()
        counted.__defaults__[0][0], counted.total = 0, 0
        DRAWN.bit_generator.state = np.random.PCG64(0).state
        turns, norm = [0], nn.BatchNorm1d(D)

        def normed(x):
            turns[0] += 1
            return norm(x.mT).mT

        self.normed, self.turns = normed, lambda: (turns, norm.train().running_mean.tolist())
        self.used = nn.Identity()
        before = {"value": 1.0}

        def hook(module, args, out):
            before["value"] *= 0.9
            return out * before["value"]

        self.used.register_forward_hook(hook)
        self.before = lambda: before["value"]

    @property
    def counter(self):
        Registry.seen.append(len(Registry.seen))
        return Registry

    def write(self, x):
        self.counter.calls += 1
        Registry.mean += 1
        return self.used(self.normed(counted(x)))

    def state(self):
        return (COUNTS["calls"], list(COUNTS["rows"]), MEAN.tolist(), Registry.calls,
                list(Registry.seen), Registry.mean.tolist(), counted.__defaults__[0][0],
                counted.total, DRAWN.bit_generator.state["state"], str(self.turns()),
                self.before())  # fmt: skip


class Script(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0
        self.total = torch.zeros(1)

    def forward(self, x):
        self.calls += 1
        self.total += 1
        return x + self.total


class Unusual(Kind):
    """Counts in what is no list, dict or array."""

    def begin(self):
        self.text, self.row, self.raw = io.BytesIO(), array("d", [0.0]), (ctypes.c_int * 2)()
        self.view, self.local = memoryview(bytearray(1)), threading.local()
        self.weak = WeakKeyDictionary({self.local: 0})
        self.read_only = MappingProxyType({"calls": [0]})
        self.sparse = torch.eye(2).to_sparse()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.script = torch.jit.script(Script())
        self.seeds, self.local.calls = np.random.SeedSequence(0), 0
        self.ids = itertools.chain([7], itertools.count())
        self.current = ContextVar("current", default=0)

    def write(self, x):
        self.text.write(b"x")
        self.row[0] += 1
        self.raw[1] += 1
        self.view[0] += 1
        self.local.calls += 1
        self.weak[self.local] += 1
        self.read_only["calls"][0] += 1
        with torch.no_grad():
            self.sparse.mul_(0.5)
        self.current.set(self.current.get() + 1)
        return self.script(x) + len(self.seeds.spawn(1)) * 0 + next(self.ids) * 0

    def state(self):
        return (self.text.tell(), self.row[0], self.raw[1], self.view[0], self.local.calls,
                self.weak[self.local], self.read_only["calls"][0], self.sparse.to_dense().tolist(),
                self.script.calls, self.script.total.item(), self.seeds.n_children_spawned,
                self.current.get())  # fmt: skip


KINDS = [OnASphere, WrittenThroughAView, ShortenedRows, StatisticsOfTheBatch, Generators, Helpers,
         Counters, Elsewhere, Unusual]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_as_it_was(kind):
    torch.manual_seed(0)
    model, x = kind(), torch.randn(B, T, D)
    before = model.state()
    shared = {name: id(value) for name, value in vars(model).items()}
    memory = [tensor.data_ptr() for tensor in model.state_dict().values()]
    ll.capture(model, torch.randn(B, T, D))
    assert model.state() == before
    assert [tensor.data_ptr() for tensor in model.state_dict().values()] == memory
    assert {name: id(value) for name, value in vars(model).items()} == shared
    with torch.no_grad():
        model.eval()(x)
    assert model.state() != before  # a pass of its own does leave a trace


def test_who_looks_on_keeps_what_was_seen():
    model, seen = Counters(), []
    model.attention.register_forward_hook(lambda module, args, out: seen.append(len(out)))
    ll.capture(model, torch.randn(B, T, D))
    assert seen == [2]


def test_iterators_that_share_another_share_its_copy():
    model = Counters()
    numbers = itertools.count()
    model.rows = [zip(numbers, numbers, strict=False), itertools.chain([5], numbers)]
    ll.capture(model, torch.randn(B, T, D))
    assert [next(row) for row in model.rows] == [(0, 1), 5]
    assert next(numbers) == 2


def test_an_iterator_that_a_library_made_is_refused_before_it_is_drawn_from():
    model = Counters()
    model.rows = [np.arange(3.0).flat]
    with pytest.raises(UnsupportedModelError, match=r"'rows/0', a flatiter"):
        ll.capture(model, torch.randn(B, T, D))
    assert next(model.rows[0]) == 0


def test_iterators_go_on_from_where_they_were():
    model = Counters()
    next(model.turns)
    ll.capture(model, torch.randn(B, T, D))
    assert [next(model.ids), next(model.turns), next(model.rows[0])] == [0, 2, 1]
    assert list(model.rows[1]) == [(0, 4), (1, 5), (2, 6)]


@pytest.mark.parametrize("kind", KINDS)
def test_training_goes_on_alike_when_recorded(kind):
    def trained(recorded):
        torch.manual_seed(0)
        model, x = kind(), torch.randn(B, T, D)
        type(model).calls, type(model).numbers = 0, itertools.count()
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        recorder = ll.Recorder(tempfile.mkdtemp(), model, x)
        for step in range(2):
            assert not recorded or recorder.record(step)
            optimizer.zero_grad()
            model(x).square().mean().backward()
            assert not recorded or recorder.record(100 + step)
            optimizer.step()
        recorder.close()
        return model.state(), [p.tolist() for p in model.parameters()]

    assert trained(recorded=True) == trained(recorded=False)


class Drawing(Kind):
    """Draws from what Python can neither copy nor put back."""

    def begin(self):
        self.noise = (float(number) for number in range(9))

    def write(self, x):
        return x + next(self.noise)


def test_what_cannot_be_put_back_is_refused_by_name_before_it_changes():
    model = Drawing()
    with pytest.raises(UnsupportedModelError, match=r"draws from 'noise', a generator"):
        ll.capture(model, torch.randn(B, T, D))
    assert next(model.noise) == 0


def test_what_cannot_be_put_back_may_be_held():
    model = Drawing()
    model.write = lambda x: x
    model.lock = threading.Lock()
    with Path(__file__).open() as model.file:
        assert list(ll.capture(model, torch.randn(B, T, D)).leaves)
        assert next(model.noise) == 0


class Unready(type):
    """Of classes that are loaded when they are asked for something, and cannot be."""

    def __getattr__(cls, name):
        raise ImportError("not installed")


class Extra(metaclass=Unready):
    pass


class Awkward(Kind):
    """Holds what is hard to remember or to put back."""

    def begin(self):
        self.table = np.zeros((300 << 20) // 8)
        self.part = self.table[: 290 << 17]
        self.sealed = np.zeros(3)
        self.settings = Namespace(scale=1.0)
        self.owner = weakref.proxy(self.settings)
        self.queue = queue.Queue()
        self.queue.put(1)

    def write(self, x):
        self.sealed[0] += 1
        self.sealed.setflags(write=False)
        return x * self.owner.scale

    def extra(self):
        return Extra


def test_what_is_awkward_costs_nothing_else():
    model = Awkward().train()
    assert len(ll.capture(model, torch.randn(B, T, D)).leaves) == 1
    assert all(module.training for module in model.modules())
    arrays = (model.table, model.part, model.sealed)
    assert all(array.flags.writeable and not array.any() for array in arrays)
    assert model.queue.unfinished_tasks == 1


def test_one_that_cannot_be_put_back_keeps_no_other():
    class Model(Kind):
        def begin(self):
            self.count, self.stream = 0, io.BytesIO(b"read once")

        def write(self, x):
            self.count += 1
            self.stream.close()  # nobody opens it again
            vars(self.attention)["stray"] = 1
            return x

    model = Model().train()
    with pytest.raises(UnsupportedModelError, match=r"cannot be put back .*closed"):
        ll.capture(model, torch.randn(B, T, D))
    assert (model.count, model.training, model.attention.training) == (0, True, True)
    assert not hasattr(model.attention, "stray")


def test_other_threads_draw_on_meanwhile():
    source = (number for number in range(9))
    drawn = []

    class Model(Kind):
        def begin(self):
            self.source = source

        def write(self, x):
            held = self.source
            thread = threading.Thread(target=lambda: drawn.append(next(held)))
            thread.start()
            thread.join()
            return x

    ll.capture(Model(), torch.randn(B, T, D))
    assert drawn == []  # what a forward notes is put back
    assert next(source) == 1


def test_a_file_is_read_on_from_where_it_was():
    class Reading(Kind):
        def write(self, x):
            return x + 0 * len(self.file.read(9))

    model = Reading()
    with Path(__file__).open("rb") as model.file:
        model.file.read(3)
        ll.capture(model, torch.randn(B, T, D))
        assert model.file.tell() == 3


def test_a_loop_can_ask_between_a_pass_and_its_gradients():
    model, x = StatisticsOfTheBatch(), torch.randn(B, T, D)
    loss = model(x).square().mean()
    wanted = [gradient.grad for gradient in model.parameters()]
    ll.capture(model, torch.randn(B, T, D))
    assert [gradient.grad for gradient in model.parameters()] == wanted
    loss.backward()


def test_gradients_and_what_wants_them_stay():
    class Switching(Kind):
        def write(self, x):
            self.attention.in_proj_weight.requires_grad_(False)
            self.attention.out_proj.weight.grad.mul_(2)
            self.attention.out_proj.bias.grad = None
            return x

    model = Switching()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    ll.capture(model, torch.randn(B, T, D))
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(bool((parameter.grad == 1).all()) for parameter in model.parameters())


def test_a_change_that_nobody_saw_is_told():
    class Hidden(OnASphere):
        def write(self, x):
            with torch._C.DisableTorchFunction(), torch.no_grad():
                self.w.add_(1)
            return x

    recorder = ll.Recorder(tempfile.mkdtemp(), Hidden(), torch.randn(B, T, D))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert recorder.record(0)  # parameters go on
    (warning,) = [c for c in caught if c.category is LimelightWarning]
    assert "changed 'w', which cannot be put back" in str(warning.message)


@pytest.mark.parametrize("kind", [Generators, Helpers])
def test_a_gate_proves_itself_without_a_trace(kind):
    model, x = kind(), torch.randn(B, T, D)
    model.eval()(x)
    wanted = kind().eval()
    wanted.load_state_dict(model.state_dict())
    wanted(x), wanted(x)
    with ll.gate(model, {("attention", 0): 1.0}), torch.no_grad():
        model(x)
    if kind is Helpers:
        assert model.helper.calls == wanted.helper.calls
    else:
        assert model.state() == wanted.state()
