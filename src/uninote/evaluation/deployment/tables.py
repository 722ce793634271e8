"""Tables of a deployment's measurement, for terminal, Markdown and the results page."""

from __future__ import annotations

from uninote.evaluation.deployment.gallery import ALL, KINDS
from uninote.evaluation.protocols import Json
from uninote.evaluation.tables import Cell, Measure, Table

PAPER_SHARE = 9.2
"""The paper's one vector takes 1 / 9.2 of the bytes and encodes of its baseline."""


def online_table(result: Json, baseline: str, command: str = "") -> Table:
    """Return recall retained by method and kind of sample, in percent, with bytes and vectors a note."""
    of_kind = {kind: result["online"][kind][baseline] for kind in (*KINDS, ALL)}
    rows: list[tuple[Cell, ...]] = []
    for name in of_kind[ALL]["methods"]:
        found = {kind: of["methods"][name] for kind, of in of_kind.items()}
        both = found[ALL]
        rows.append(
            (
                name,
                *_cost(result["methods"], name, baseline),
                *(_percent(of["mean"], of["interval"]) for of in found.values()),
                _percent(both["capped"]),
                _percent(both["pooled"]),
            )
        )
    operation = "; ".join(
        f"{kind}: {of['methods'][baseline]['categories']} of {len(of['decisions'])} categories, "
        f"recall {_text(of['recall'])}, precision {_text(of['precision'])}, hits {_text(of['volume'])}"
        for kind, of in of_kind.items()
    )
    return Table(
        title=f"Recall retained at the volume of hits of: {baseline}",
        columns=(
            "method",
            "bytes a note",
            "of the bytes: 1 /",
            "vectors a note",
            *(f"{kind} samples" for kind in (*KINDS, ALL)),
            "all, capped at 100",
            "all, pooled",
        ),
        rows=tuple(rows),
        seeds=(result["setting"]["seed"],),
        command=command,
        note="Mean over categories in percent, with bootstrap intervals over categories. Categories where "
        f"the baseline finds nothing are left out. The baseline on the incoming notes ({operation}; hits in "
        "percent of the incoming notes).",
    )


def offline_table(result: Json, command: str = "") -> Table:
    """Return recall of back-checks by method and k, all kinds of samples, and the gain over the baseline."""
    of_k = result["offline"][ALL]
    rows: list[tuple[Cell, ...]] = []
    for name in next(iter(of_k.values())):
        cells: list[Cell] = [name]
        for of in of_k.values():
            cells += [_percent(of[name]["recall"]), _percent(of[name]["gain"], of[name]["interval"])]
        rows.append(tuple(cells))
    columns = [column for k in of_k for column in (f"top {k}", f"gain, top {k}")]
    return Table(
        title="Recall of back-checks",
        columns=("method", *columns),
        rows=tuple(rows),
        seeds=(result["setting"]["seed"],),
        command=command,
        note="Share of a category's notes among the top K of a sample, mean over samples, then over "
        f"{next(iter(next(iter(of_k.values())).values()))['categories']} categories; gain: relative to the "
        f"{result['setting']['baseline']}. In percent.",
    )


def headline(result: Json) -> list[Json]:
    """Return of each model its widest vector within `1 / PAPER_SHARE` of the bytes of the baseline.

    Each entry: `method`, `bytes_share` (times fewer bytes), and `retained`: `online.retained` of all kinds
    without `ratios`.
    """
    baseline = result["setting"]["baseline"]
    full = result["methods"][baseline]
    best: dict[str, Json] = {}
    for name, cost in result["methods"].items():
        if cost.get("model") is None:
            continue
        share = full["bytes_per_note"] / cost["bytes_per_note"]
        encodes = full["vectors_per_note"] / cost["vectors_per_note"]
        if min(share, encodes) < PAPER_SHARE:
            continue
        wider = best.get(cost["model"])
        if wider is None or share < wider["bytes_share"]:
            of = result["online"][ALL][baseline]["methods"][name]
            kept = {key: value for key, value in of.items() if key != "ratios"}
            best[cost["model"]] = {"method": name, "bytes_share": share, "retained": kept}
    return list(best.values())


def _cost(methods: Json, name: str, baseline: str) -> tuple[Cell, Cell, Cell]:
    if name not in methods:
        return None, None, None
    cost = methods[name]
    return (
        round(cost["bytes_per_note"]),
        methods[baseline]["bytes_per_note"] / cost["bytes_per_note"],
        float(cost["vectors_per_note"]),
    )


def _percent(value: float | None, interval: list[float] | None = None) -> Measure | None:
    if value is None:
        return None
    low, high = (None, None) if interval is None else (100 * bound for bound in interval)
    return Measure(value=100 * value, low=low, high=high)


def _text(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
