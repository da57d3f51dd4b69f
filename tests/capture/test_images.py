"""Pictures that a probe shows: both orders of axes, own resolution and colours."""

from __future__ import annotations

import numpy as np
import pytest

from limelight.capture import Probe
from limelight.capture.special import named, special
from limelight.errors import ProbeError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("options", [{"patches": (4, 4)}, {"layout": (2, 3)}, {"layout": (8, 12)}])
def test_both_orders_of_axes_give_the_same_picture(channels, dtype, options):
    last = (RNG.random((2, 8, 12, channels)) * 255).astype(dtype)
    for given in (last, np.moveaxis(last, -1, 1)):
        probe = Probe({"text": np.ones((2, 5), "int64"), "pixel_values": given}, **options)
        assert probe.layout == options.get("layout", (2, 3))
        assert probe.images.dtype == dtype
        np.testing.assert_array_equal(probe.images, last)


def test_an_image_as_small_as_it_has_colours_is_read_by_its_colours():
    probe = Probe(RNG.random((2, 3, 8, 8)).astype("f4"), patches=(2, 2))
    assert probe.layout == (4, 4)
    assert Probe(np.zeros((2, 8, 8, 16), "f4"), layout=(8, 8)).images.shape == (2, 8, 8, 1)


def test_flat_pixels_keep_their_colours_in_either_order():
    last = RNG.random((2, 6, 3)).astype("f4")
    for given in (last, np.moveaxis(last, 1, 2)):
        images = Probe(given, layout=(2, 3)).images
        np.testing.assert_array_equal(images, last.reshape(2, 2, 3, 3))


def test_images_that_are_given_are_shown_in_their_own_resolution():
    photographs = RNG.integers(0, 256, (3, 40, 30, 3), "uint8")
    patches = RNG.random((3, 12, 7)).astype("f4")  # as an embedding takes them
    probe = Probe(patches, layout=(4, 3), images=np.moveaxis(photographs, -1, 1))
    np.testing.assert_array_equal(probe.images, photographs)
    np.testing.assert_array_equal(probe.some([2, 0]).images, photographs[[2, 0]])
    assert Probe(patches, patches=(10, 10), images=photographs).layout == (4, 3)
    inputs = RNG.random((3, 3, 8, 6)).astype("f4")
    probe = Probe(inputs, patches=(2, 2), images=photographs)
    assert (probe.layout, probe.images.shape) == ((4, 3), photographs.shape)
    np.testing.assert_array_equal(
        Probe(inputs, patches=(2, 2)).some([1]).images, np.moveaxis(inputs[[1]], 1, -1)
    )


def test_a_picture_larger_than_a_screen_is_thinned():
    assert Probe(np.zeros((1, 3, 2000, 3000), "uint8"), layout=(2, 3)).images.shape == (
        1, 667, 1000, 3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"images": np.zeros((2, 8, 8))}, "not how positions lie in them"),
        ({"images": np.zeros((3, 8, 8)), "layout": (2, 2)}, "Got images of shape (3, 8, 8) for 2"),
        ({"images": np.zeros((2, 8)), "layout": (2, 2)}, "Wanted one for each"),
        ({"patches": (5, 5)}, "Got patches=(5, 5) for inputs of shape (2, 3, 8, 8)."),
        ({"patches": (4, 4), "layout": (3, 2)}, "Got patches=(4, 4) and layout=(3, 2)"),
        ({"patches": 4}, "Got patches=4."),
    ],
)
def test_images_that_do_not_fit_are_refused(options, words):
    with pytest.raises(ProbeError) as refused:
        Probe(np.zeros((2, 3, 8, 8), "f4"), **options)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ([("embeddings/cls_token", (1, 1, 8))], ("[class]",)),
        ([("vision/class_embedding", (8,))], ("[class]",)),
        ([("cls_token", (1, 1, 8)), ("distillation_token", (1, 1, 8))],
         ("[class]", "[distillation]")),
        ([("reg_token", (1, 2, 8)), ("cls_token", (1, 1, 8))],
         ("[class]", "[register 1]", "[register 2]")),
        ([("register_tokens", (4, 8))], ()),  # before or behind?
        ([("a/cls_token", (1, 1, 8)), ("b/cls_token", (1, 1, 8))], ()),
        ([("tokens/weight", (9, 8))], ()),
    ],
)  # fmt: skip
def test_positions_before_an_image_are_named_where_parameters_say_how_many(parameters, names):
    assert special(parameters) == names
    assert named(names, (1, 2), 3) == ((*names, "(0, 0)", "(0, 1)") if len(names) == 1 else ())
