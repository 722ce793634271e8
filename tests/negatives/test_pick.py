import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from uninote.negatives.band import Band
from uninote.negatives.pick import Origin, pick_negatives

B, L, R, N = Origin.BAND, Origin.BELOW, Origin.RANDOM, Origin.NONE


def pick(scores: list[list[float]], band: Band, count: int, pool: int, seed: int = 0):
    return pick_negatives(np.array(scores, dtype=np.float32), band, count, pool, np.random.default_rng(seed))


def test_band_then_nearest_below_then_random() -> None:
    scores = [[0.9, 0.6, 0.1, 0.4, 0.3, 0.2, -np.inf]]
    picked = pick(scores, Band(0.5, 0.7), count=4, pool=4)
    # Pool: 0.9 (too near), 0.6 (in the band), 0.4, 0.3; the fourth comes from 0.2 and 0.1.
    assert picked.candidates[0, :3].tolist() == [1, 3, 4]
    assert picked.candidates[0, 3] in (2, 5)
    assert picked.origins.tolist() == [[B, L, L, R]]


def test_too_few_candidates_leave_places_empty() -> None:
    picked = pick([[0.9, 0.6, -np.inf]], Band(0.5, 0.7), count=3, pool=10)
    assert picked.candidates.tolist() == [[1, -1, -1]]
    assert picked.origins.tolist() == [[B, N, N]]


def test_without_a_band_nothing_is_picked_from_it() -> None:
    picked = pick([[-np.inf, -np.inf]], Band(np.nan, np.nan), count=1, pool=2)
    assert picked.origins.tolist() == [[N]]


def test_zero_negatives() -> None:
    assert pick([[0.5, 0.6]], Band(0, 1), count=0, pool=1).candidates.shape == (1, 0)


def test_draws_in_the_band_are_uniform() -> None:
    scores = np.tile(np.array([0.55, 0.6, 0.65, 0.7, 0.1], dtype=np.float32), (4000, 1))
    picked = pick_negatives(scores, Band(0.5, 0.7001), 2, 5, np.random.default_rng(0))
    counts = np.bincount(picked.candidates.ravel(), minlength=5)
    # Each of four is drawn with probability 1/2: 2000 expected, standard deviation 32.
    assert counts[4] == 0
    assert (abs(counts[:4] - 2000) < 160).all()


@given(st.integers(0, 999), st.integers(1, 30), st.integers(0, 6), st.integers(1, 35))
def test_brute_force(seed: int, total: int, count: int, pool: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.uniform(-1, 1, (3, total)).astype(np.float32)
    scores[rng.random((3, total)) < 0.2] = -np.inf
    band = Band(0.2, 0.6)
    picked = pick_negatives(scores, band, count, pool, rng)
    for row, numbers, origins in zip(scores, picked.candidates, picked.origins, strict=True):
        near = [k for k in sorted(range(total), key=lambda k: -row[k])[:pool] if np.isfinite(row[k])]
        inside = [k for k in near if 0.2 <= row[k] <= 0.6]
        below = [k for k in near if row[k] < 0.2]
        far = [k for k in range(total) if k not in near and np.isfinite(row[k]) and row[k] <= 0.6]
        from_band = numbers[origins == B].tolist()
        assert set(from_band) <= set(inside)
        assert len(from_band) == min(count, len(inside))
        assert numbers[origins == L].tolist() == below[: max(0, count - len(inside))]
        missing = max(0, count - len(inside) - len(below))
        assert set(numbers[origins == R].tolist()) <= set(far)
        assert (origins == R).sum() == min(missing, len(far))
        assert (numbers[origins == N] == -1).all()
        assert len(set(numbers[numbers >= 0].tolist())) == (numbers >= 0).sum()
