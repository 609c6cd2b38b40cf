"""Tables as text for scripts, and as HTML for browsers."""

import html
from collections.abc import Iterator, Sequence
from typing import Final

from paddle_serving_server.showing.status import Table

_STYLE: Final = """
:root{color-scheme:light dark}body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:75rem}
h1{font-size:1.3rem}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}nav{display:flex;flex-wrap:wrap;gap:.2rem .9rem}
.t{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}
th,td{padding:.25rem .8rem .25rem 0;text-align:left;vertical-align:top;border-bottom:1px solid #8884}
td{font-variant-numeric:tabular-nums}th{font-weight:600;white-space:nowrap}
p{margin:.3rem 0;font-size:.85rem;opacity:.75}
"""


def as_pairs(tables: Sequence[Table]) -> str:
    """Lines of `name : value`, as brpc writes its variables."""
    return "".join(f"{name} : {value}\n" for table in tables for name, value in table.rows)


def as_text(tables: Sequence[Table]) -> str:
    """Tables in columns of letters of one width."""
    return "\n".join("".join(f"{line}\n" for line in _text_of(table)) for table in tables)


def _text_of(table: Table) -> Iterator[str]:
    yield from [table.title] if table.title else []
    head = [table.columns] if any(table.columns) else []
    rows = [*head, *table.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if not table.rows:
        yield "  none"
    yield from [f"  ({table.note})"] if table.note else []


def as_html(path: str, tables: Sequence[Table], pages: Sequence[str]) -> str:
    """A page that needs nothing else; texts that are the path of one of `pages` lead there."""
    links = "".join(_link(target, target.strip("/")) for target in pages)
    body = "".join(_html_of(table, pages) for table in tables)
    title = html.escape(path.strip("/") or "index")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><nav>{links}</nav><h1>{title}</h1>{body}</body></html>\n"
    )


def _html_of(table: Table, pages: Sequence[str]) -> str:
    title = f"<h2>{html.escape(table.title)}</h2>" if table.title else ""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in table.columns) if any(table.columns) else ""
    rows = "".join(f"<tr>{''.join(_cell(text, pages) for text in row)}</tr>" for row in table.rows)
    note = f"<p>{html.escape(table.note)}</p>" if table.note else ""
    none = "" if table.rows else "<p>none</p>"
    return f'{title}<div class="t"><table><tr>{head}</tr>{rows}</table></div>{none}{note}'


def _cell(text: str, pages: Sequence[str]) -> str:
    return f"<td>{_link(text, text) if text in pages else html.escape(text)}</td>"


def _link(target: str, text: str) -> str:
    return f'<a href="{html.escape(target)}">{html.escape(text)}</a>'
