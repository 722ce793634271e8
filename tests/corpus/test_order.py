from uninote.corpus.order import seeded_rank


def test_rank_depends_on_name_and_seed_only() -> None:
    assert seeded_rank("a", 0) == seeded_rank("a", 0)
    assert len({seeded_rank("a", 0), seeded_rank("b", 0), seeded_rank("a", 1)}) == 3
    assert seeded_rank("\ud800", 0)
