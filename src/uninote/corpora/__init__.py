"""Benchmark corpora, rebuilt from public repositories at pinned commits."""

from uninote.extras import require

require("corpora")
