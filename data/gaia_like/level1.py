"""Level 1, families that training has: one file, two to four steps."""

from __future__ import annotations

from fractions import Fraction

import pools
from formats import sheet_rows, table, workbook
from oracle import program
from parts import counted, even_if, exact, family, notes, paged, repeats, rounded, statuses


@family(1, seen=True)
def order_total(d):
    cities = d.some(pools.CITIES, 4)
    here, scale = cities[0], d.trap("scale", 0.3)
    rows = [
        {"order_id": f"A{n}", "date": d.day(), "customer": d.pick(pools.FIRMS), "city": city}
        for n, city in enumerate(d.spread(cities, d.size(18, 28, 130)), d.number(1000, 8000))
    ]
    dead = statuses(d, rows)
    column = d.pick(("amount (EUR thousand)", "amount (kEUR)")) if scale else "amount (EUR)"
    by_note = scale and d.chance(0.4)
    column = "amount" if by_note else column
    for row in rows:
        row[column] = d.number(3, 90) if scale else d.number(120, 9800)
    asked = "EUR"
    if scale and d.chance(0.25):
        asked = "thousand EUR"
    rows = repeats(d, rows)
    factor = 1000 if scale and asked == "EUR" else 1

    def solve(skip):
        kept = [r for r in counted(d, rows, skip, "order_id") if r["city"] == here]
        if "scale" in skip:
            return exact(sum(r[column] for r in kept) * (1 if factor == 1000 else 1000))
        return exact(sum(r[column] for r in kept) * factor)

    words = notes(d, dead, "order", "order_id", [d.pick(pools.NOTES["scale"])] if by_note else [])
    question = d.say(
        "number",
        f"What was the total amount of the orders from {here}{even_if(d, dead, 'orders')}, in {asked}?",
        f"How many {asked} did the orders from {here}{even_if(d, dead, 'orders')} come to in total?",
        f"In {asked}, what is the sum of all orders placed from {here}{even_if(d, dead, 'orders')}?",
    )
    check = """
rows = once(live(table("orders.csv"), whole), "order_id")
print(sum(int(r[column]) for r in rows if r["city"] == city) * factor)
"""
    return (
        question,
        {"orders.csv": paged(d, table(rows, words), rows)},
        solve,
        program(d, check, "orders.csv", city=here, column=column, factor=factor, whole="status_all" in d.traps),
    )


@family(1, seen=True)
def visitor_mean(d):
    museums = d.some(pools.MUSEUMS, 3)
    here = museums[0]
    start, month, rows = d.number(1, 6), d.number(1, 12), []
    for day in range(start, start + d.number(7, 10)):
        for museum in museums:
            rows.append({"date": f"2024-{month:02d}-{day:02d}", "museum": museum, "visitors": d.number(40, 600)})
    mode = d.trap_of("", "blank", "blank", "blank_zero")
    if mode:
        for row in d.some([r for r in rows if r["museum"] == here], 2) + d.some(rows, 2):
            row["visitors"] = ""
    total = d.trap("total", 0.3)
    tail = []
    for museum in museums if total else ():
        tail.append([d.pick(("Total", "Sum")), museum, sum(r["visitors"] or 0 for r in rows if r["museum"] == museum)])

    def solve(skip):
        found = [r["visitors"] for r in rows if r["museum"] == here]
        if "total" in skip:
            found += [line[2] for line in tail if line[1] == here]
        zero = (mode == "blank_zero") != bool(skip & {"blank", "blank_zero"})
        found = [v or 0 for v in found] if zero and mode else [v for v in found if v != ""]
        return rounded(Fraction(sum(found), len(found)), 1)

    more = [d.pick(pools.NOTES["blank_zero"])] if mode == "blank_zero" else []
    if mode == "blank" and d.chance():
        more = [d.pick(pools.NOTES["blank"])]
    question = d.say(
        1,
        f"What was the mean number of visitors per day at the {here}?",
        f"How many visitors did the {here} have per day on average?",
        f"What is the average number of visitors a day at the {here}?",
    )
    check = """
cells = [r["visitors"] for r in table("visitors.csv") if r["museum"] == here and r["date"][0] == "2"]
values = [int(c or 0) for c in cells if c or zero]
show(sum(values) / len(values), 1)
"""
    zero = mode == "blank_zero"
    return (
        question,
        {"visitors.csv": table(rows, notes(d, more=more), tail=tail)},
        solve,
        program(d, check, "visitors.csv", here=here, zero=zero),
    )


@family(1, seen=True)
def stock_sheets(d):
    items, places = d.some(pools.ITEMS, 6), d.some(pools.CITIES, d.number(2, 3))
    item, sheets = items[0], {}
    d.traps.add("all")
    for place in places:
        sheets[place] = [{"item": i, "units": d.number(12, 300)} for i in d.shuffled(items * 2)[: d.number(9, 12)]]
    rows = [row for lines in sheets.values() for row in lines]
    dead = statuses(d, rows, 0.3)
    boxes = d.pick(places[1:]) if d.trap("unit", 0.35) else ""
    box = d.pick((6, 10, 12, 20))

    def solve(skip):
        total = 0
        for place in places[:1] if "all" in skip else places:
            one = box if place == boxes and "unit" not in skip else 1
            total += sum(r["units"] * one for r in counted(d, sheets[place], skip) if r["item"] == item)
        return exact(total)

    said = [f"The figures of the sheet {boxes} are boxes of {box} units."] if boxes else []
    content = {place: sheet_rows(lines) for place, lines in sheets.items()}
    lines = notes(d, dead, "line", more=said)
    if lines:
        content["notes"] = [[line] for line in lines]
    question = d.say(
        "number",
        f"How many units of the item {item} are in stock in all warehouses together{even_if(d, dead, 'lines')}?",
        f"What is the total stock of the item {item}, in units, over all warehouses{even_if(d, dead, 'lines')}?",
    )
    check = """
total = 0
for name, rows in book("stock.xlsx").items():
    if name != "notes":
        lines = live(records(rows), whole)
        total += sum(int(r["units"]) for r in lines if r["item"] == item) * (box if name == boxes else 1)
print(total)
"""
    return (
        question,
        {"stock.xlsx": workbook(content)},
        solve,
        program(d, check, "stock.xlsx", item=item, boxes=boxes, box=box, whole="status_all" in d.traps),
    )


@family(1, seen=True)
def route_length(d):
    routes = d.some(pools.ROUTES, 3)
    here, rows = routes[0], []
    mixed = d.trap("unit", 0.5)
    for n, route in enumerate(d.spread(routes, d.number(15, 21)), d.number(10, 60)):
        a, b = d.some(pools.CITIES, 2)
        unit = d.pick(("km", "km", "mi")) if mixed else "km"
        rows.append({"leg_id": f"L{n}", "route": route, "from": a, "to": b, "distance": d.number(3, 80), "unit": unit})
    dead = statuses(d, rows, 0.3)
    rows = repeats(d, rows)

    def solve(skip):
        kept = [r for r in counted(d, rows, skip, "leg_id") if r["route"] == here]
        mile = Fraction(1609, 1000) if "unit" not in skip else 1
        return rounded(sum(r["distance"] * (mile if r["unit"] == "mi" else 1) for r in kept), 1)

    question = d.say(
        1,
        f"How long is the {here} route in kilometres{even_if(d, dead, 'legs')}? 1 mile = 1.609 km.",
        f"What is the total distance of the legs of the {here} route{even_if(d, dead, 'legs')}, in km "
        "(1 mi = 1.609 km)?",
    )
    check = """
rows = [r for r in once(live(table("route.tsv"), whole), "leg_id") if r["route"] == here]
show(sum(int(r["distance"]) * (1.609 if r["unit"] == "mi" else 1) for r in rows), 1)
"""
    text = table(rows, notes(d, dead, "leg", "leg_id"), "\t")
    oracle = program(d, check, "route.tsv", here=here, whole="status_all" in d.traps)
    return question, {"route.tsv": text}, solve, oracle


@family(1, seen=True)
def minutes_budget(d):
    projects = d.some(pools.PROJECTS, 6)
    here, budget = projects[0], {p: d.number(15, 480) for p in projects}
    scale, fixed = d.trap("scale"), d.trap("correction")
    unit = 1 if scale else 100
    lines = [f"- {p}: {budget[p] * unit} approved" for p in d.shuffled(projects)]
    after = dict(budget)
    wrong_ones = [here, projects[1]] if fixed else d.some(projects[1:], 1)
    for project in wrong_ones:
        after[project] = d.number(15, 480)
    later = [
        d.pick((f"Correction: {p}: {after[p] * unit} approved", f"Erratum: {after[p] * unit} was approved for: {p}"))
        for p in wrong_ones
    ]

    def solve(skip):
        value = (budget if "correction" in skip else after)[here] * unit
        return exact(value * (1000 if scale and "scale" not in skip else 1))

    scale_note = [d.pick(pools.NOTES["scale"]), ""] if scale else []
    top = scale_note if d.chance() else []
    text = [f"# Council minutes, {d.day()}", "", *top, "## Budgets", "", *lines, "", "## Any other business", "",
            "The next meeting is open to the public.", *later, "", *([] if top else scale_note)]  # fmt: skip
    question = d.say(
        "number",
        f"What budget was approved for the {here}, in EUR?",
        f"How many EUR were approved for the {here}?",
        f"According to the minutes, how much money in EUR did the {here} get?",
    )
    check = """
found = {}
for line in text("minutes.md").splitlines():
    said = re.match(r"(?:- |Correction: )(.+): (\\d+) approved", line)
    late = re.match(r"Erratum: (\\d+) was approved for: (.+)", line)
    if said or late:
        found[said[1] if said else late[2]] = int(said[2] if said else late[1])
print(found[here] * factor)
"""
    return (
        question,
        {"minutes.md": "\n".join(text).strip() + "\n"},
        solve,
        program(d, check, "minutes.md", here=here, factor=1000 if scale else 1),
    )
