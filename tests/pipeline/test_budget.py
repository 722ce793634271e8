from uninote.pipeline.budget import DEEP_STEPS, RL_STEPS, STEPS, scaled_to
from uninote.settings import load_settings


def test_steps_follow_the_notes_within_bounds() -> None:
    settings = load_settings()
    assert [scaled_to(settings, notes).sft.steps for notes in (10, 1200, 10**6)] == [STEPS[0], 400, STEPS[1]]
    assert [scaled_to(settings, notes).rl.steps for notes in (10, 800, 10**6)] == [
        RL_STEPS[0],
        100,
        RL_STEPS[1],
    ]


def test_a_backbone_that_trains_as_a_whole_takes_fewer_steps() -> None:
    settings = load_settings(encoder={"model": "a/b"})
    assert [scaled_to(settings, notes).sft.steps for notes in (800, 10**6)] == [100, DEEP_STEPS[1]]


def test_steps_that_were_set_are_left_alone() -> None:
    settings = load_settings(sft={"steps": 7}, rl={"steps": 3})
    scaled = scaled_to(settings, 500)
    assert (scaled.sft.steps, scaled.rl.steps) == (7, 3)
