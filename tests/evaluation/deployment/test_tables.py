from __future__ import annotations

import pytest

from uninote.evaluation.deployment.gallery import ALL
from uninote.evaluation.deployment.tables import headline


@pytest.mark.parametrize(
    ("vectors", "chosen"),
    [
        (20, ["m, 64", "n, 32"]),  # 20 x 256 bytes over 256: the widest is within
        (9, []),  # too few vectors, however short one is
    ],
)
def test_the_widest_vector_within_the_paper_s_share_of_bytes_and_vectors(vectors, chosen) -> None:
    widths = {"m, 64": 64, "m, 32": 32, "n, 1000": 1000, "n, 32": 32}
    methods = {"tower": {"bytes_per_note": 256 * vectors, "vectors_per_note": vectors}}
    methods |= {
        name: {"bytes_per_note": 4 * dim, "vectors_per_note": 1, "model": name[0]}
        for name, dim in widths.items()
    }
    methods["BM25"] = {"bytes_per_note": 8, "vectors_per_note": 0}
    kept = {name: {"mean": 0.9, "ratios": {"x": 0.9}} for name in methods}
    result = {
        "setting": {"baseline": "tower"},
        "methods": methods,
        "online": {ALL: {"tower": {"methods": kept}}},
    }
    found = headline(result)
    assert [one["method"] for one in found] == chosen
    assert all(one["retained"] == {"mean": 0.9} for one in found)
