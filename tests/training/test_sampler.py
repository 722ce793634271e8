from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from transformers import TrainerState

from uninote.training.sampler import FollowEpochs, TaskBatchOrder

GROUPS = st.lists(st.sampled_from("abc"), min_size=1, max_size=40)


def batches(order: TaskBatchOrder) -> list[list[int]]:
    flat = list(order)
    return [flat[i : i + order.batch_size] for i in range(0, len(flat), order.batch_size)]


@given(GROUPS, st.integers(1, 7), st.integers(0, 99), st.integers(0, 3))
def test_whole_batches_of_one_group(groups: list[str], size: int, seed: int, epoch: int) -> None:
    order = TaskBatchOrder(groups, size, seed)
    order.set_epoch(epoch)
    made = batches(order)
    assert sum(map(len, made)) == len(order)
    assert all(len(batch) == size for batch in made)
    assert all(len({groups[i] for i in batch}) == 1 for batch in made)
    assert {groups[i] for batch in made for i in batch} == set(groups)


@given(GROUPS, st.integers(1, 7), st.integers(0, 99))
def test_each_example_at_most_once_unless_its_group_is_too_small(
    groups: list[str], size: int, seed: int
) -> None:
    seen = Counter(TaskBatchOrder(groups, size, seed))
    for name, count in Counter(groups).items():
        members = [seen[i] for i, group in enumerate(groups) if group == name]
        if count >= size:
            assert max(members) == 1
            assert sum(members) == count // size * size
        else:
            assert sum(members) == size
            assert max(members) - min(members) <= 1


def test_same_seed_and_epoch_same_order() -> None:
    groups = ["a"] * 20 + ["b"] * 20
    one, other = TaskBatchOrder(groups, 4, 1), TaskBatchOrder(groups, 4, 1)
    assert list(one) == list(other) == list(one)
    other.set_epoch(1)
    assert list(one) != list(other)
    assert list(one) != list(TaskBatchOrder(groups, 4, 2))


def test_groups_are_mixed_and_the_rest_rotates() -> None:
    groups = ["a"] * 10 + ["b"] * 10
    order = TaskBatchOrder(groups, 4, 0)
    left_out, firsts = set(), set()
    for epoch in range(12):
        order.set_epoch(epoch)
        made = batches(order)
        assert len(made) == 4
        left_out |= set(range(20)) - set(order)
        firsts.add(groups[made[0][0]])
    assert left_out == set(range(20))
    assert firsts == {"a", "b"}


@given(GROUPS, st.sampled_from([(6, 1), (6, 2), (6, 3)]), st.integers(1, 3), st.integers(0, 9))
def test_passes_and_processes_do_not_change_a_batch(
    groups: list[str], split: tuple[int, int], world: int, seed: int
) -> None:
    """Deal passes as Accelerate does: process r takes the passes r, r + world, …"""
    size, passes = split
    plain, spread = TaskBatchOrder(groups, size, seed), TaskBatchOrder(groups, size, seed, passes, world)
    flat, step = list(spread), size // passes
    assert len(flat) == len(spread)
    dealt = [flat[i : i + step] for i in range(0, len(flat), step)]
    for rank in range(world):
        assert [i for part in dealt[rank::world] for i in part] == list(plain)


def test_the_epoch_follows_the_step() -> None:
    order, state = TaskBatchOrder(["a"] * 20, 4, 1), TrainerState()
    for step, epoch in [(0, 0), (4, 0), (5, 1), (12, 2)]:
        state.global_step = step
        FollowEpochs(order).on_epoch_begin(None, state, None)  # type: ignore[arg-type]
        assert order.epoch == epoch
