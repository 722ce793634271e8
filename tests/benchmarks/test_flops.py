"""Model FLOPs against numbers worked out by hand."""

from __future__ import annotations

import pytest


@pytest.fixture
def flops(script):
    return script("flops")


@pytest.fixture
def shape(script):
    """A shape small enough to count by hand.

    Language model: width 4, two layers, 2 heads and 1 key head of 2, mlp 8. Attention has 4·2·(2·2 + 2·1)
    = 48 weights and the mlp 3·4·8 = 96: 144 in the first layer. Of the last one only keys and values are for
    all tokens: 4·2·2·1 = 16. The tower: width 2, one layer.
    """
    return script("random_qwen").Shape(4, 2, 2, 1, 2, 8, 1, 2, 1, 4, ())


def test_a_forward_pass_has_two_operations_per_weight_and_token_and_causal_attention(shape):
    assert shape.text_parameters() == 160
    # 2·160·(3 + 5) = 2560; attention of one layer 2·n²·(2 heads of 2) = 8·(9 + 25) = 272
    assert shape.flops([3, 5], []) == (2832.0, 0.0)


def test_the_tower_counts_weights_and_full_attention_per_patch(shape):
    # Layer 4·2² + 2·2·4 = 32, patch embedding 3·2·16²·2 = 3072, one merger 8·(8 + 4)/4 = 24: 3128 per patch.
    assert shape.vision_parameters() == 3128
    # Attention 4·n²·2 = 8·16
    assert shape.flops([], [4]) == (0.0, 2 * 3128 * 4 + 128)


def test_training_adds_one_product_per_frozen_weight_and_twice_the_attention(flops, shape):
    # Backward: 2560 of the products, and twice 272.
    assert flops.training_flops(shape, [3, 5], [], anchor=False) == 2832 + 2560 + 544
    # The anchor is one more forward pass.
    assert flops.training_flops(shape, [3, 5], [], anchor=True) == 2 * 2832 + 2560 + 544


def test_the_frozen_tower_runs_forward_once_in_training(flops, shape):
    seen = 2 * 3128 * 4 + 128
    assert flops.training_flops(shape, [], [4], anchor=True) == seen


def test_work_counts_distinct_rows_the_longest_of_a_chain_and_distinct_pictures(flops, shape, script):
    class Block:
        def __init__(self, digest, visual):
            self.digest, self.side, self.visual = digest, (32, 32 * visual), visual

    class Item:
        def __init__(self, key, cost, blocks=()):
            self.key, self.cost, self.blocks = key, cost, blocks

    class Backbone:
        @staticmethod
        def cost(item, instruction=""):
            return item.cost + len(instruction)

        class chat:
            head = staticmethod(list)

        class renderer:
            @staticmethod
            def blocks(item, head, warn):
                return item.blocks

    picture = Block("a", 1)
    short, long = Item("short", 3, (picture,)), Item("long", 5, (picture, Block("", 0)))
    work = flops.Work(samples=2)
    work.add(Backbone, shape, [([[short, long]], ""), ([[long], [long]], "")], train=False)
    # One row of 5 tokens and one picture of 2 x 2 patches.
    assert work.tokens == 5
    assert work.flops == sum(shape.flops([5], [4]))
    work.add(Backbone, shape, [([[long]], "ab")], train=True, anchor=True)
    assert work.tokens == 12
    assert work.flops == sum(shape.flops([5], [4])) + flops.training_flops(shape, [7], [4], True)
    assert work.rates(4.0) == {
        "seconds": 4.0,
        "samples": 2,
        "tokens": 12,
        "samples_per_s": 0.5,
        "tokens_per_s": 3.0,
    }


def test_the_peak_of_a_gpu_is_known_by_its_name(flops):
    assert flops.stated_peak("NVIDIA H200") == 989e12
    assert flops.stated_peak("NVIDIA A100-SXM4-80GB") == 312e12
    assert flops.stated_peak("Some other device") is None


def test_the_published_shapes_have_their_known_sizes(script):
    shapes = script("random_qwen").SHAPES
    assert shapes["2b"].text_parameters() / 1e9 == pytest.approx(1.36, abs=0.01)
    assert shapes["8b"].text_parameters() / 1e9 == pytest.approx(6.76, abs=0.01)
