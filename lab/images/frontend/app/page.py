"""The page, as a pure function of what the backend answered."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:4rem auto;padding:0 1rem;color:#1b2733}"
    "table{border-collapse:collapse;width:100%}td{padding:.5rem;border-top:1px solid #d5dde5;vertical-align:top}"
    ".ok{color:#0a7a3d}.bad{color:#b3261e}footer{margin-top:2rem;color:#5b6b7a;font-size:.85rem}"
)


def render(version: str, instance: str, answer: dict[str, Any]) -> str:
    """HTML for the backend's ``answer``: its health document, or ``{"error": reason}`` when none came."""
    rows = "".join(
        f'<tr><td>{name}</td><td class="{"ok" if good else "bad"}">{escape(text)}</td></tr>'
        for name, good, text in _lines(answer)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>MediaNest</title><style>{_STYLE}</style>'
        f"</head><body><h1>MediaNest</h1><table>{rows}</table>"
        f"<footer>frontend {escape(version)}, task {escape(instance)}</footer></body></html>\n"
    )


def _lines(answer: dict[str, Any]) -> list[tuple[str, bool, str]]:
    if "status" not in answer:
        return [("Backend", False, f"no answer: {answer.get('error', 'unknown')}")]
    healthy = answer["status"] == "ok"
    return [
        ("Backend", healthy, f"{answer['status']}, version {answer['version']}, task {answer['instance']}"),
        _dependency("PostgreSQL", answer["postgres"]),
        _dependency("Redis", answer["redis"]),
    ]


def _dependency(name: str, answer: dict[str, Any]) -> tuple[str, bool, str]:
    if not answer["ok"]:
        return name, False, f"failed: {answer['error']}"
    return name, True, f"{answer['server']}: {answer['round_trip']} in {answer['milliseconds']} ms"
