"""A run in words: one line that changes on a terminal, a line each second elsewhere, and the summary."""

import sys
from typing import TextIO

from paddle_serving_server.commands.load.tally import Latency, Result, Second

BUSY_CPU = 0.85
"""Share of a core from which the generator itself may be the limit."""
LATE_S = 0.005
"""Lateness of the open loop's generator that is worth a word."""
_MOST_ERRORS = 10


class Display:
    """Shows a run while it goes on."""

    def __init__(self, out: TextIO | None = None, unit: str = "answers") -> None:
        """`unit` is what is counted."""
        self._out = out or sys.stdout
        self._unit = "" if unit == "answers" else f" {unit}"
        self._is_terminal = self._out.isatty()

    def second(self, second: Second) -> None:
        """Show a second."""
        latency = f"p50 {ms(second.latency.p50)}  p99 {ms(second.latency.p99)}" if second.latency else "no answers"
        errors = f"  {second.errors} errors" if second.errors else ""
        line = f"{second.at:6.1f} s  {rate(second.rate):>8}{self._unit}/s  {latency}{errors}"
        self._out.write(f"\r\x1b[K{line}" if self._is_terminal else f"{line}\n")
        self._out.flush()

    def say(self, text: str) -> None:
        """Print, in the place of the changing line."""
        self._out.write(f"\r\x1b[K{text}\n" if self._is_terminal else f"{text}\n")
        self._out.flush()


def summary(result: Result, unit: str = "answers") -> str:
    """Some lines about the whole run, in which so much of a `unit` was answered."""
    deviation = f"{rate(result.deviation)}" + (f" ({result.deviation / result.rate:.1%})" if result.rate else "")
    lines = [
        f"rate     {rate(result.rate)} {unit} a second, deviation from second to second {deviation}",
        f"latency  {_percentiles(result.latency)}",
        f"answers  {result.answers} in {result.seconds:.1f} s",
        f"bytes    {size(result.sent_bytes)} sent, {size(result.received_bytes)} received",
        f"errors   {result.failed}",
    ]
    lines += [f"  {count:>7}  {error}" for error, count in list(result.errors.items())[:_MOST_ERRORS]]
    if len(result.errors) > _MOST_ERRORS:
        lines.append(f"           ... and {len(result.errors) - _MOST_ERRORS} other kinds")
    if result.waiting:
        lines.append(f"waiting  {result.waiting} without an answer at the end, the oldest for {ms(result.oldest_s)}")
    lines.append(f"bench    took {result.cpu:.0%} of a core")
    if result.cpu > BUSY_CPU:
        lines.append("         It may be the limit itself: the server may be faster than this.")
    if result.late_s > LATE_S:
        lines.append(f"         It sent up to {ms(result.late_s)} late, which is part of the latencies above.")
    return "\n".join(lines)


def rate(value: float) -> str:
    """A rate in four digits or so."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ms(seconds: float) -> str:
    """A time in three digits or so."""
    value = seconds * 1000
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms" if value >= 10 else f"{value:.2f} ms"


def size(count: int) -> str:
    """A number of bytes, with the unit that fits."""
    for unit, whole in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= whole:
            return f"{count / whole:.1f} {unit}"
    return f"{count} bytes"


def _percentiles(latency: Latency | None) -> str:
    if latency is None:
        return "no answers"
    return "   ".join(f"{name} {ms(getattr(latency, name))}" for name in ("p50", "p90", "p99", "max"))
