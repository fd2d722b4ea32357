"""How many calls at once: what is said of the search's result, and of what ended it."""

from dataclasses import replace
from typing import Any

from loadtest.density import SLOS, Density, Probe, targets, to_json
from loadtest.load.slo import Verdict, parse_slo
from loadtest.statistics import Spread


def verdict(text: str, measured: float) -> Verdict:
    slo = parse_slo(text)
    kept = measured >= slo.limit if slo.at_least else measured <= slo.limit
    return Verdict(
        name=slo.name,
        limit=slo.limit,
        unit=slo.unit,
        at_least=slo.at_least,
        measured=measured,
        kept=kept,
    )


def probe(calls: int, *, gap_ms: float = 300.0, refused: float = 0.0, late: str = "") -> Probe:
    measured = {"p95_gap": gap_ms, "refused": refused, "success": 1.0}
    return Probe(
        calls=calls,
        gap_ms=Spread.of([gap_ms]),
        verdicts=tuple(verdict(s, measured.get(s.partition("=")[0], 0.0)) for s in SLOS),
        server_cores=1.0,
        cores_per_call=1.0 / calls,
        memory_mb=200.0,
        late_p99_ms=1.0,
        bottleneck=late or None,
    )


def density(*probes: Probe, within_slo: int, within_own: int = 0) -> Density:
    return Density(
        name="a server",
        target="ws://192.0.2.1",
        within_slo=within_slo,
        own_limit_ms=800.0,
        within_own=max(within_own, within_slo),
        probes=probes,
    )


def test_what_the_first_probe_beyond_the_limit_broke_is_what_limits():
    found = density(
        probe(50), probe(64, refused=0.2), probe(60, gap_ms=912.0, refused=0.03), within_slo=50
    )
    assert found.limited_by == "p95_gap 912 ms, refused 3.0% at 60"


def test_callers_that_were_late_themselves_are_named_beside_it():
    found = density(probe(50), probe(60, gap_ms=912.0, late="late by 6 ms"), within_slo=50)
    assert found.limited_by == (
        "p95_gap 912 ms at 60, where its callers were the bottleneck: late by 6 ms"
    )


def test_server_that_was_not_heard_to_answer_carries_nothing():
    heard = probe(2)
    unheard = (replace(v, measured=None, kept=None) for v in heard.verdicts if v.name == "p95_gap")
    others = (v for v in heard.verdicts if v.name != "p95_gap")
    silent = replace(heard, gap_ms=Spread(), verdicts=(*unheard, *others))
    assert heard.kept
    assert not silent.kept
    assert density(silent, within_slo=0).limited_by == "p95_gap not measured at 2"


def test_search_that_found_no_limit_says_so():
    assert density(probe(200), within_slo=200).limited_by == "nothing up to 200"


def test_server_that_kept_nothing_is_judged_by_where_it_has_not_yet_degraded():
    ours = density(probe(100), within_slo=100)
    peer = density(probe(1, gap_ms=1_400.0), probe(2, gap_ms=1_600.0), within_slo=0, within_own=2)
    assert peer.limited_by == "p95_gap 1400 ms at 1"
    rows = targets([ours, peer], least_calls=100, least_ratio=10.0)
    assert [(row.measured, row.met) for row in rows] == [("100", True), ("50.0× (100:2)", True)]
    servers: Any = to_json([ours, peer], rows)["servers"]
    assert [each["limited_by"] for each in servers] == ["nothing up to 100", "p95_gap 1400 ms at 1"]
