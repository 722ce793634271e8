from uninote.pipeline.budget import scaled_to
from uninote.settings import load_settings


def test_steps_follow_the_notes_within_bounds() -> None:
    settings = load_settings()
    assert scaled_to(settings, 10).sft.steps < scaled_to(settings, 1000).sft.steps
    assert scaled_to(settings, 10**6).sft.steps == settings.sft.steps
    assert scaled_to(settings, 10**6).rl.steps == settings.rl.steps


def test_steps_that_were_set_are_left_alone() -> None:
    settings = load_settings(sft={"steps": 7}, rl={"steps": 3})
    scaled = scaled_to(settings, 500)
    assert (scaled.sft.steps, scaled.rl.steps) == (7, 3)
