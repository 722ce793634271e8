import numpy as np
import pytest

from uninote.errors import ConfigError
from uninote.negatives.band import Band, in_band, resolve_band
from uninote.settings import NegativeSettings

SCORES = np.linspace(0, 1, 101, dtype=np.float32)


def test_quantiles_become_similarities() -> None:
    band = resolve_band(np.float32(0.5) * SCORES, NegativeSettings(band=(0.2, 0.9)))
    np.testing.assert_allclose(band, (0.1, 0.45), atol=1e-6)


def test_similarities_are_taken_as_they_are() -> None:
    assert resolve_band(SCORES, NegativeSettings(band=(-0.5, 0.7), band_unit="similarity")) == Band(-0.5, 0.7)


def test_no_scores_no_band() -> None:
    band = resolve_band(SCORES[:0], NegativeSettings())
    assert not in_band(SCORES, band).any()


@pytest.mark.parametrize("edges", [(0.9, 0.1), (-0.1, 0.5), (0.5, 1.1)])
def test_impossible_bands_are_refused(edges: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match=r"negatives\.band"):
        resolve_band(SCORES, NegativeSettings(band=edges))


def test_edges_belong_to_the_band() -> None:
    scores = np.array([0.4, 0.5, 0.6, 0.75, 0.8, -np.inf], dtype=np.float32)
    assert in_band(scores, Band(0.5, 0.75)).tolist() == [False, True, True, True, False, False]
