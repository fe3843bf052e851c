"""Level 2, families that training has: two files to be joined or converted, five to eight steps."""

from __future__ import annotations

from fractions import Fraction

import pools
from formats import as_json, sheet_rows, table, workbook
from oracle import program
from parts import Redraw, counted, even_if, exact, family, mangled, notes, plain_key, repeats, rounded, statuses


@family(2, seen=True)
def orders_country(d):
    countries, firms = d.some(pools.COUNTRIES, 3), d.some(pools.FIRMS, 7)
    here, loose, scale = countries[0], d.trap("key", 0.45), d.trap("scale", 0.3)
    lands = d.spread(countries, 7)
    keys = [f"C-{n:03d}" for n in d.some(range(1, 60), 7)]
    people = [{"customer_id": k, "name": f, "country": c} for k, f, c in zip(keys, firms, lands, strict=True)]
    land = {k: c for k, c in zip(keys, lands, strict=True)}
    column = "amount (kEUR)" if scale else "amount (EUR)"
    rows = [
        {"order_id": n, "customer": mangled(d, k) if loose and d.chance(0.4) else k,
         column: d.number(3, 80) if scale else d.number(150, 9000)}
        for n, k in enumerate(d.spread(keys, d.number(18, 26)), d.number(5000, 9000))
    ]  # fmt: skip
    dead = statuses(d, rows, 0.35)
    rows = repeats(d, rows)

    def solve(skip):
        kept = counted(d, rows, skip, "order_id")
        found = [land.get(r["customer"] if "key" in skip else _key(r["customer"])) for r in kept]
        total = sum(r[column] for r, c in zip(kept, found, strict=True) if c == here)
        return exact(total * (1000 if scale and "scale" not in skip else 1))

    question = d.say(
        "number",
        f"What was the total amount of the orders of customers from {here}{even_if(d, dead, 'orders')}, in EUR?",
        f"How many EUR did customers from {here} order for in total{even_if(d, dead, 'orders')}?",
    )
    check = """
land = {plain(r["customer_id"]): r["country"] for r in table("customers.csv")}
rows = once(live(table("orders.csv"), whole), "order_id")
print(sum(int(r[column]) for r in rows if land[plain(r["customer"])] == here) * factor)
"""
    files = {"orders.csv": table(rows, notes(d, dead, "order", "order_id")), "customers.csv": table(people)}
    return (
        question,
        files,
        solve,
        program(d, check, *files, here=here, column=column, factor=1000 if scale else 1, whole="status_all" in d.traps),
    )


def _key(key: str) -> str:
    key = plain_key(key)
    return f"{key[0]}-{key[1:]}"


@family(2, seen=True)
def freight_cost(d):
    carriers = d.some(pools.CARRIERS, 3)
    here, month = carriers[0], d.number(4, 9)
    mixed, newer = d.trap("unit"), d.trap("newest", 0.45)
    rates = []
    for carrier in carriers:
        days = ["2023-01-01", f"2024-{month - 2:02d}-01"] if newer else ["2023-01-01"]
        rates += [{"carrier": carrier, "rate_per_kg": d.number(11, 95) / 20, "valid_from": day} for day in days]
        if d.chance():
            later = f"2024-{month + 1 + d.number(0, 2):02d}-01"
            rates.append({"carrier": carrier, "rate_per_kg": d.number(11, 95) / 20, "valid_from": later})
    rows = [
        {"shipment_id": f"S{n}", "date": d.day(month=month), "carrier": c, "weight": d.number(20, 400),
         "unit": d.pick(("kg", "lb")) if mixed else "kg"}
        for n, c in enumerate(d.spread(carriers, d.number(12, 18)), d.number(100, 900))
    ]  # fmt: skip
    dead = statuses(d, rows, 0.35)
    when = f"2024-{month:02d}-01"

    def solve(skip):
        own = [r for r in rates if r["carrier"] == here and r["valid_from"] <= when]
        rate = Fraction(str((own[0] if "newest" in skip else own[-1])["rate_per_kg"]))
        pound = 1 if "unit" in skip else Fraction(4536, 10000)
        kept = [r for r in counted(d, rows, skip) if r["carrier"] == here]
        return rounded(rate * sum(r["weight"] * (pound if r["unit"] == "lb" else 1) for r in kept), 2)

    names = ["-", "-", "-", "April", "May", "June", "July", "August", "September"]
    question = d.say(
        2,
        f"What did the shipments with {here} in {names[month - 1]} 2024 cost in total{even_if(d, dead, 'shipments')}, "
        "in EUR? 1 lb = 0.4536 kg.",
        f"How many EUR were to be paid for all shipments with {here} in {names[month - 1]} 2024"
        f"{even_if(d, dead, 'shipments')} (1 lb = 0.4536 kg)?",
    )
    check = """
rate = [r for r in table("rates.csv") if r["carrier"] == here and r["valid_from"] <= when]
rate = float(max(rate, key=lambda r: r["valid_from"])["rate_per_kg"])
rows = [r for r in live(table("shipments.csv"), whole) if r["carrier"] == here]
show(rate * sum(int(r["weight"]) * (0.4536 if r["unit"] == "lb" else 1) for r in rows), 2)
"""
    said = notes(d, dead, "shipment", "shipment_id")
    files = {"shipments.csv": table(rows, said), "rates.csv": table(rates, ["EUR per kg"])}
    return question, files, solve, program(d, check, *files, here=here, when=when, whole="status_all" in d.traps)


@family(2, seen=True)
def expenses(d):
    people = d.names(4)
    here, per_euro = people[0], d.chance()
    rates = {"USD": d.number(105, 118), "GBP": d.number(83, 88), "CHF": d.number(93, 98)}
    if not per_euro:
        rates = {name: round(10000 / rate) for name, rate in rates.items()}
    d.traps.add("rule")
    rows = [
        {"expense_id": f"E{n}", "employee": p, "currency": d.pick(("EUR", *rates)), "amount": d.number(15, 900)}
        for n, p in enumerate(d.spread(people, d.number(18, 26)), d.number(100, 900))
    ]
    dead = statuses(d, rows)
    rows = repeats(d, rows)

    def solve(skip):
        total = Fraction(0)
        for r in counted(d, rows, skip, "expense_id"):
            rate = Fraction(rates.get(r["currency"], 100), 100)
            if r["employee"] == here:
                total += r["amount"] / rate if per_euro != ("rule" in skip) else r["amount"] * rate
        return rounded(total, 2)

    text = {"base": "EUR", "note": "units of the currency for 1 EUR" if per_euro else "EUR for 1 unit of the currency",
            "rates": {name: rate / 100 for name, rate in rates.items()}}  # fmt: skip
    question = d.say(
        2,
        f"What were the expenses of {here} in total{even_if(d, dead, 'expenses')}, in EUR?",
        f"How many EUR did {here} spend in total{even_if(d, dead, 'expenses')}?",
    )
    check = """
given, total = json.loads(text("rates.json")), 0
for r in once(live(table("expenses.csv"), whole), "expense_id"):
    if r["employee"] == here:
        rate = given["rates"].get(r["currency"], 1)
        total += float(r["amount"]) / rate if given["note"].startswith("units") else float(r["amount"]) * rate
show(total, 2)
"""
    said = notes(d, dead, "expense", "expense_id")
    files = {"expenses.csv": table(rows, said), "rates.json": as_json(text)}
    return question, files, solve, program(d, check, *files, here=here, whole="status_all" in d.traps)


@family(2, seen=True)
def course_grade(d):
    people, exams = d.names(7), ("algebra", "geometry", "essay", "project")
    here = people[0]
    weights = dict(zip(exams, d.some((10, 20, 30, 40), 4), strict=True))
    rows = [{"student": p, **{e: d.number(40, 100) for e in exams}} for p in d.shuffled(people)]
    own = next(r for r in rows if r["student"] == here)
    mode = d.trap_of("", "blank", "blank_zero")
    if mode:
        own[d.pick(exams)] = ""
        next(r for r in rows if r["student"] == people[1])[d.pick(exams)] = ""
    fixed = d.pick([e for e in exams if own[e] != ""]) if d.trap("correction", 0.35) else ""
    after = d.number(40, 100)

    def solve(skip):
        marks = {e: own[e] for e in exams}
        if fixed and "correction" not in skip:
            marks[fixed] = after
        if mode and (mode == "blank_zero") != bool(skip & {"blank", "blank_zero"}):
            marks = {e: m or 0 for e, m in marks.items()}
        marks = {e: m for e, m in marks.items() if m != ""}
        return rounded(Fraction(sum(m * weights[e] for e, m in marks.items()), sum(weights[e] for e in marks)), 2)

    lines = ["Weights of the exams, in per cent", "", *(f"{e}: {weights[e]}" for e in exams), ""]
    lines.append(
        "An empty cell means 0." if mode == "blank_zero" else "A missing mark is left out; the other weights keep "
        "their proportions."
    )  # fmt: skip
    lines += [f"Correction: the mark of {here} in {fixed} is {after}."] if fixed else []
    question = d.say(
        2,
        f"What is the weighted mean mark of {here}?",
        f"What is the average mark of {here}, with the weights of the exams?",
    )
    check = """
said, own = text("weights.txt"), next(r for r in records(book("marks.xlsx")["marks"]) if r["student"] == here)
weights = {e: int(w) for e, w in re.findall(r"(?m)^(\\w+): (\\d+)$", said)}
late = re.search(r"the mark of (.+) in (\\w+) is (\\d+)", said)
if late:
    own[late[2]] = late[3]
if "means 0" in said:
    own = {e: m or "0" for e, m in own.items()}
used = [e for e in weights if own[e]]
show(sum(int(own[e]) * weights[e] for e in used) / sum(weights[e] for e in used), 2)
"""
    files = {"marks.xlsx": workbook({"marks": sheet_rows(rows)}), "weights.txt": "\n".join(lines) + "\n"}
    return question, files, solve, program(d, check, *files, here=here)


@family(2, seen=True)
def stock_revisions(d):
    places, items = d.some(pools.CITIES, 4), d.some(pools.ITEMS, 5)
    here, item = places[0], items[0]
    mode = d.trap_of("newest", "newest", "draft", "first")
    total = d.trap("total", 0.3)
    by_place = d.chance()

    def draw():
        return [{"item": i, "place": p, "units": d.number(5, 300)} for i in items for p in d.some(places, 3)]

    first = draw()
    second = [{**r, "units": d.number(5, 300) if d.chance(0.6) else r["units"]} for r in first]

    def sums(rows):
        return (
            [["Total", here if by_place else "", sum(r["units"] for r in rows if r["place"] == here)]] if total else []
        )

    def solve(skip):
        rows = second if (mode == "newest") != bool(skip & {mode}) else first
        found = [r["units"] for r in rows if r["place" if by_place else "item"] == (here if by_place else item)]
        if "total" in skip:
            found.append(sums(rows)[0][2] if by_place else 0)
        return exact(sum(found))

    if total and not by_place:
        raise Redraw("a total that no question meets")
    early, late = ("2024-02-01", "2024-03-01")
    heads = [[f"Revision 1, {early}"], [f"Revision 2, {late}"]]
    if mode == "draft":
        heads[1] = [f"Revision 2, {late}", d.pick(("draft, not approved", "DRAFT: not yet approved"))]
    names = d.pick((("stock_rev1.csv", "stock_rev2.csv"), ("stock_february.csv", "stock_march.csv")))
    files = {names[0]: table(first, heads[0], tail=sums(first)), names[1]: table(second, heads[1], tail=sums(second))}
    end = {"first": " in the first revision", "newest": "", "draft": ""}[mode]
    thing = f"the item {item}" if not by_place else "all items together"
    where = f" in {here}" if by_place else ""
    question = d.say(
        "number",
        f"How many units of {thing} are in stock{where}{end}?",
        f"What is the stock of {thing}{where}{end}, in units?",
    )
    check = """
rows = [r for r in table(name) if r[column] == wanted and r["item"] != "Total"]
print(sum(int(r["units"]) for r in rows))
"""
    column, wanted = ("place", here) if by_place else ("item", item)
    return question, files, solve, program(d, check, *files, name=names[mode == "newest"], column=column, wanted=wanted)
