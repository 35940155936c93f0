"""From samples to ratios, verdicts and a table.

A sample pair (ours, theirs) was taken within the same minute. Its ratio is oriented so that above 1
we are ahead. The row's ratio is the median over the pairs, its spread the distance between the
largest and the smallest; where the spread exceeds the distance of the ratio from 1 there is no
verdict, however nice the ratio.
"""

import statistics
from dataclasses import dataclass

from programs import METRICS

HALF = 0.5  # below this fraction of a peer's speed a row is called out


@dataclass
class Row:
    metric: str
    threads: int
    ours_label: str
    peer_label: str
    ours: list   # one value per pair
    peer: list
    dropped: int = 0  # pairs in which the machine gave fewer CPUs than threads

    @property
    def ratios(self):
        more = METRICS[self.metric][2]
        return [a / b if more else b / a for a, b in zip(self.ours, self.peer)]

    @property
    def ratio(self):
        return statistics.median(self.ratios)

    @property
    def spread(self):
        return max(self.ratios) - min(self.ratios)

    @property
    def best_ratio(self):
        """Of the best value on each side, which other work on the machine disturbs least."""
        if METRICS[self.metric][2]:
            return max(self.ours) / max(self.peer)
        return min(self.peer) / min(self.ours)

    def verdict(self):
        if not self.ours:
            return "no quiet pair"
        if len(self.ours) < 2:
            return "one pair: none"
        half = "below half" if max(self.ratios) < HALF else ""
        if self.spread > abs(self.ratio - 1):
            # Above half can be certain even where ahead or behind is not.
            return "none (spread)" + ("" if min(self.ratios) >= HALF else "; maybe below half")
        return half or ("ahead" if self.ratio > 1 else "behind")


def strongest(rows):
    """Of the rows of one metric against several formats of the peer, the one where it is best."""
    measured = [r for r in rows if r.ours]
    if not measured:
        return rows[0]
    more = METRICS[measured[0].metric][2]
    return (max if more else min)(measured, key=lambda r: statistics.median(r.peer))


def _number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def _values(values):
    if not values:
        return "-"
    low, high = _number(min(values)), _number(max(values))
    middle = _number(statistics.median(values))
    return middle if low == high else f"{middle} ({low}-{high})"


def table(rows):
    """Markdown, columns aligned."""
    head = ("work", "threads", "ours", "measured", "peer", "measured", "ratio", "of the bests",
            "pairs", "verdict")
    lines = [head]
    for r in rows:
        title, unit, _ = METRICS[r.metric]
        ratio = f"{r.ratio:.2f} ({min(r.ratios):.2f}-{max(r.ratios):.2f})" if r.ours else "-"
        best = f"{r.best_ratio:.2f}" if r.ours else "-"
        pairs = str(len(r.ours)) + (f" (-{r.dropped})" if r.dropped else "")
        lines.append((f"{title}, {unit}", str(r.threads), r.ours_label, _values(r.ours),
                      r.peer_label, _values(r.peer), ratio, best, pairs, r.verdict()))
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    rule = ["-" * w for w in widths]
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths)) + " |"
                     for line in (lines[0], rule, *lines[1:]))


def as_json(row):
    return {"metric": row.metric, "unit": METRICS[row.metric][1], "threads": row.threads,
            "ours": row.ours_label, "peer": row.peer_label, "ours_samples": row.ours,
            "peer_samples": row.peer, "dropped_pairs": row.dropped,
            **({"ratio": row.ratio, "spread": row.spread, "best_ratio": row.best_ratio}
               if row.ours else {}), "verdict": row.verdict()}
