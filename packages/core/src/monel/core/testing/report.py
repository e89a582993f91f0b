"""The report of a conformance run, as Markdown, JSON or HTML."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from ..contract.backend import API_VERSION
from ..execute.discovery import plugins
from .numerics import SEED

# The columns of the table of primitives, and the checks that they count.
_COLUMNS = {"value": "value", "jvp": "jvp", "transpose": "vjp", "vmap": "vmap"}
_WAYS = {"decomposed": "decomp.", "host": "host", "core": "core", "compiled": "compiled"}
_SEVERAL = 3


class Outcome(NamedTuple):
    """What became of one case: ``passed``, ``failed``, ``gap`` or ``skipped``."""

    backend: str
    check: str
    primitive: str
    dtype: str
    gap: str
    way: str
    result: str
    test: str
    message: str


def summarise(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Return what the report says of each backend, as JSON holds it."""
    by_backend: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_backend.setdefault(outcome.backend, []).append(outcome)
    return [_backend(name, found) for name, found in sorted(by_backend.items())]


def _backend(name: str, outcomes: list[Outcome]) -> dict[str, Any]:
    owner = plugins().owner(name)
    by_primitive: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.primitive:
            by_primitive.setdefault(outcome.primitive, []).append(outcome)
    rows = [_primitive(n, found) for n, found in sorted(by_primitive.items())]
    failed = [o for o in outcomes if o.result == "failed"]
    return {
        "backend": name,
        "distribution": owner.distribution if owner is not None else name,
        "version": owner.version if owner is not None else "not installed",
        "api": API_VERSION,
        "core": metadata.version("monel-core"),
        "seed": SEED,
        "primitives": rows,
        "checks": _counts(outcomes),
        "gaps": sorted({o.gap for o in outcomes if o.gap}),
        "failures": [{"test": o.test, "message": o.message} for o in failed],
    }


def _primitive(name: str, outcomes: list[Outcome]) -> dict[str, Any]:
    ways: dict[str, list[str]] = {}
    for o in outcomes:
        if o.way and o.check in ("value", "dtype"):
            dtypes = ways.setdefault(o.way, [])
            if o.dtype not in dtypes:
                dtypes.append(o.dtype)
    gaps = {f"{o.dtype or o.check}: {o.gap}": None for o in outcomes if o.gap}
    return {"name": name, "ways": ways, "checks": _counts(outcomes), "gaps": list(gaps)}


def _counts(outcomes: list[Outcome]) -> dict[str, list[int]]:
    """Return how many cases of each check passed, of how many that ran."""
    counts: dict[str, list[int]] = {}
    for o in outcomes:
        if o.result != "skipped":
            count = counts.setdefault(o.check, [0, 0])
            count[0] += o.result == "passed"
            count[1] += 1
    return counts


def way_of(row: dict[str, Any]) -> str:
    """Return how a primitive runs, for its table: dtypes of its kernels, or what stands in."""
    ways = row["ways"]
    if "kernel" in ways:
        dtypes = ways["kernel"]
        return ", ".join(dtypes) if len(dtypes) <= _SEVERAL else f"{len(dtypes)} dtypes"
    return next((text for way, text in _WAYS.items() if way in ways), "")


def totals(summary: dict[str, Any]) -> str:
    """Return the line that ends a report."""
    rows = summary["primitives"]
    count = dict.fromkeys(("kernel", *_WAYS), 0)
    for row in rows:
        first = next((way for way in count if way in row["ways"]), None)
        if first is not None:
            count[first] += 1
    own = count["kernel"] + count["compiled"]
    gaps, failures = len(summary["gaps"]), len(summary["failures"])
    return (
        f"{len(rows)} primitives: {own} by kernel, {count['decomposed']} decomposed, "
        f"{count['core']} by core, {count['host']} on the host; "
        f"{_plural(gaps, 'gap')}, {_plural(failures, 'failure')}"
    )


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def heading(summary: dict[str, Any]) -> str:
    """Return the line that begins a report."""
    return (
        f"monel conformance: {summary['distribution']} {summary['version']}, "
        f"API {summary['api']}, monel-core {summary['core']}, seed {summary['seed']}"
    )


def _share(counts: dict[str, list[int]], check: str) -> str:
    return "{}/{}".format(*counts[check]) if check in counts else ""


def _tables(summary: dict[str, Any]) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield head and rows of the two tables: primitives, and checks of everything."""
    head = ["primitive", "kernel", *_COLUMNS, "gaps"]
    yield (
        head,
        [
            [
                row["name"],
                way_of(row),
                *[_share(row["checks"], check) for check in _COLUMNS.values()],
                "; ".join(row["gaps"]),
            ]
            for row in summary["primitives"]
        ],
    )
    checks = sorted(summary["checks"])
    yield ["check", "passed"], [[c, _share(summary["checks"], c)] for c in checks]


def markdown(summaries: list[dict[str, Any]]) -> str:
    """Return a report that can be pasted into a README."""
    parts = []
    for summary in summaries:
        primitives, checks = [_aligned(head, rows) for head, rows in _tables(summary)]
        failures = [f"- `{f['test']}`: {f['message']}" for f in summary["failures"]]
        parts += [heading(summary), primitives, totals(summary), checks, *failures]
    return "\n\n".join(parts) + "\n"


def _aligned(head: list[str], rows: list[list[str]]) -> str:
    cells = [[text.replace("|", "\\|") for text in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = [
        "| " + " | ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def page(summaries: list[dict[str, Any]]) -> str:
    """Return the report as one HTML page that needs nothing else."""
    style = (
        "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse;margin:1em 0}"
        "td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left}"
    )
    body = []
    for summary in summaries:
        body.append(f"<h1>{html.escape(heading(summary))}</h1>")
        body.append(f"<p>{html.escape(totals(summary))}</p>")
        body += [_html_table(head, rows) for head, rows in _tables(summary)]
        for failure in summary["failures"]:
            message = html.escape(failure["message"])
            body.append(f"<p><code>{html.escape(failure['test'])}</code></p><pre>{message}</pre>")
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>monel conformance</title><style>{style}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )


def _html_table(head: list[str], rows: list[list[str]]) -> str:
    def line(tag: str, row: list[str]) -> str:
        return "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in row)

    inner = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f"<table><tr>{line('th', head)}</tr>{inner}</table>"


def write(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Write the report to ``path``, in the form that its ending says; Markdown by default."""
    summaries = summarise(outcomes)
    if path.suffix == ".json":
        text = json.dumps(summaries, indent=2) + "\n"
    elif path.suffix in (".html", ".htm"):
        text = page(summaries)
    else:
        text = markdown(summaries)
    path.write_text(text, encoding="utf-8")
