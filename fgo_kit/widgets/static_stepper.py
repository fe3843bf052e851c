"""The merge stepper as a page of plain HTML: the tree as a picture, one node with its rules."""

from __future__ import annotations

from base64 import b64encode

from ..records.showing import escape
from .plain import marked, table

COLOURS = {"leaf": "#8a8f98", "kept": "#c9730a", "failed": "#c0392b", "pending": "#8e44ad", "planned": "none"}


def static_page(view: dict) -> str:
    """Plain HTML that notebook viewers show as it is: no script, no style sheet, all text escaped."""
    picture = b64encode(svg(view["tree"]).encode("utf-8", "replace")).decode()
    tree = ", ".join(f"{node['label']} ({node['kind']}, {node['rules']} rules)" for node in view["tree"]["nodes"])
    stands = "done" if view["done"] else f"{view['open']} modules open"
    stands = "; ".join(filter(None, [stands, f"{view['tokens']:,} tokens", view["waits"], view["score"]]))
    return (
        f"<p><b>Merging by hand</b>: <bdi>{escape(view['title'])}</bdi>; {view['cursor']} decisions, "
        f"{escape(stands)}. Run the cell to step through it.</p>"
        f"<img alt='Tree of merges: {escape(tree)}' width='{view['tree']['width']:.0f}' "
        f"src='data:image/svg+xml;base64,{picture}'>{static_node(view['node'])}"
    )


def static_node(node: dict) -> str:
    """A node as tables: its children's rules with what became of them, and its own."""
    facts = [node["decision"], f"{node['tasks']['n']} tasks", f"{node['tokens']:,} tokens"]
    if node["gate"] and node["gate"]["n"]:
        facts.append(f"gate {node['gate']['value']} % [{node['gate']['lo']}, {node['gate']['hi']}]")
    tables = "".join(
        f"<p>child <b>{escape(child['label'])}</b></p>{_table(child['rules'], fates=True)}"
        for child in node["children"]
    )
    own = "".join(_table(part["rules"], fates=False) for part in node["components"])
    return (
        f"<p>Node <b>{escape(node['label'])}</b>: {escape(', '.join(facts))}</p>{tables}"
        f"<p>module of <b>{escape(node['label'])}</b></p>{own}"
    )


def _table(rules: list[dict], fates: bool) -> str:
    heads = ("rule", "text", "support", "origin", "fate" if fates else "from")
    return table(heads, (_row(rule, fates) for rule in rules)) if rules else "<p><i>no rules</i></p>"


def _row(rule: dict, fates: bool) -> list[str]:
    tasks = escape(", ".join(rule["support"]["ids"]))
    became = " → ".join(filter(None, [rule.get("fate"), ", ".join(rule.get("into", []))]))
    last = "; ".join(filter(None, [became if fates else ", ".join(rule["from"]), rule["said"]]))
    name = f"<code>{escape(rule['label'])}</code>" + " (locked)" * rule["locked"] + " (yours)" * rule["yours"]
    support = f"<span title='{tasks}'>{rule['support']['n']}</span>"
    return [name, marked(rule["diff"]), support, escape(rule["origin"]), escape(last)]


def svg(tree: dict) -> str:
    """The tree as an SVG picture that reads on light and dark ground."""
    nodes, (_, height) = {node["id"]: node for node in tree["nodes"]}, tree["box"]
    lines = "".join(_line(nodes[top], nodes[below], height / 2) for top, below in tree["edges"])
    boxes = "".join(_box(node, *tree["box"]) for node in tree["nodes"])
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{tree['width']:.0f}' height='{tree['height']}' "
        f"font-family='sans-serif' font-size='11'>{lines}{boxes}</svg>"
    )


def _line(top: dict, below: dict, gap: float) -> str:
    ends = f"x1='{top['x']:.0f}' y1='{top['y'] + gap:.0f}' x2='{below['x']:.0f}' y2='{below['y'] - gap:.0f}'"
    return f"<line {ends} stroke='#999'/>"


def _box(node: dict, width: int, height: int) -> str:
    x, y, planned = node["x"], node["y"], node["kind"] == "planned"
    ink, dashes = ("#777", " stroke='#999' stroke-dasharray='4 3'") if planned else ("#fff", "")
    lines = (node["label"], "" if planned else f"{node['rules']} rule{'s' * (node['rules'] != 1)}")
    words = "".join(
        f"<text x='{x:.0f}' y='{y - 3 + 13 * row:.0f}' text-anchor='middle' fill='{ink}'>{escape(text)}</text>"
        for row, text in enumerate(lines)
    )
    return (
        f"<rect x='{x - width / 2:.0f}' y='{y - height / 2:.0f}' width='{width}' height='{height}' rx='7' "
        f"fill='{COLOURS.get(node['kind'], '#2f7ebc')}'{dashes}/>{words}"
    )
