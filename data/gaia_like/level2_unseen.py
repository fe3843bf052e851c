"""Level 2, families that only the test split has."""

from __future__ import annotations

from fractions import Fraction

import pools
from formats import as_json, pdf, sheet_rows, table, workbook
from oracle import program
from parts import best, counted, even_if, family, mangled, notes, paged, plain_key, repeats, rounded, statuses


@family(2, seen=False)
def farm_grant(d):
    farms, crops = d.some(pools.FARMS, 4), d.some(pools.CROPS, 4)
    here, mixed = farms[0], d.trap("unit", 0.5)
    fixed = crops[0] if d.trap("correction", 0.55) else ""
    grant, after = {c: d.number(60, 340) for c in crops}, d.number(60, 340)
    rows = [
        {"field_id": f"F{n}", "farm": f, "area": d.number(15, 480) / 10,
         "unit": d.pick(("ha", "acre")) if mixed else "ha",
         "crop": d.pick(crops)}
        for n, f in enumerate(d.spread(farms, d.number(18, 24)), d.number(10, 70))
    ]  # fmt: skip
    dead = statuses(d, rows, 0.4)

    def solve(skip):
        total = Fraction(0)
        for r in counted(d, rows, skip):
            if r["farm"] == here:
                rate = after if r["crop"] == fixed and "correction" not in skip else grant[r["crop"]]
                acre = Fraction(4047, 10000) if r["unit"] == "acre" and "unit" not in skip else 1
                total += Fraction(str(r["area"])) * acre * rate
        return rounded(total, 2)

    lines = ["Grants for the season", "", *(f"{c}: {grant[c]} EUR per ha" for c in crops), ""]
    lines += [f"Correction: {fixed}: {after} EUR per ha"] if fixed else ["Paid out in autumn."]
    question = d.say(
        2,
        f"What grant does the {here} farm get in total{even_if(d, dead, 'fields')}, in EUR? 1 acre = 0.4047 ha.",
        f"How many EUR of grants are due to the {here} farm{even_if(d, dead, 'fields')} (1 acre = 0.4047 ha)?",
    )
    check = """
rate = {c: int(v) for c, v in re.findall(r"(?m)^(?:Correction: )?(\\w+): (\\d+) EUR", text("grant.txt"))}
rows = [r for r in live(table("fields.csv"), whole) if r["farm"] == here]
show(sum(float(r["area"]) * (0.4047 if r["unit"] == "acre" else 1) * rate[r["crop"]] for r in rows), 2)
"""
    files = {"fields.csv": table(rows, notes(d, dead, "field", "field_id")), "grant.txt": "\n".join(lines) + "\n"}
    return question, files, solve, program(d, check, *files, here=here, whole="status_all" in d.traps)


@family(2, seen=False)
def stock_value(d):
    items, places = d.some(pools.ITEMS, 5), d.some(pools.CITIES, 3)
    here, newer, day = places[0], d.trap("newest", 0.5), d.number(10, 25)
    d.traps.add("all")
    sheets = {
        name: [{"item": i, "place": p, "units": d.number(3, 90)} for i in d.some(items, 3) for p in d.some(places, 2)]
        for name in ("shelf", "cellar")
    }
    rows = [row for lines in sheets.values() for row in lines]
    dead = statuses(d, rows, 0.35)
    prices = []
    for item in items:
        days = ["2023-11-01", "2024-02-01"] if newer else ["2023-11-01"]
        days += ["2024-09-01"] if d.chance() else []
        prices += [{"item": item, "price": d.number(40, 990) / 10, "valid_from": start} for start in days]
    when = f"2024-06-{day:02d}"

    def solve(skip):
        price = {}
        for r in prices:
            if r["valid_from"] <= when and ("newest" not in skip or r["item"] not in price):
                price[r["item"]] = Fraction(str(r["price"]))
        lines = counted(d, sheets["shelf"] if "all" in skip else rows, skip)
        return rounded(sum(r["units"] * price[r["item"]] for r in lines if r["place"] == here), 2)

    content = {name: sheet_rows(lines) for name, lines in sheets.items()}
    said = notes(d, dead, "line")
    if said:
        content["notes"] = [[line] for line in said]
    question = d.say(
        2,
        f"What was the stock in {here} worth on {when}{even_if(d, dead, 'lines')}, in EUR?",
        f"What is the value of all items in stock in {here} at the prices of {when}{even_if(d, dead, 'lines')}, "
        "in EUR?",
    )
    check = """
price = {}
for r in sorted(table("prices.csv"), key=lambda r: r["valid_from"]):
    if r["valid_from"] <= when:
        price[r["item"]] = float(r["price"])
rows = [r for name, lines in book("stock.xlsx").items() if name != "notes" for r in records(lines)]
show(sum(int(r["units"]) * price[r["item"]] for r in live(rows, whole) if r["place"] == here), 2)
"""
    files = {"stock.xlsx": workbook(content), "prices.csv": table(prices, ["EUR per unit"])}
    return question, files, solve, program(d, check, *files, here=here, when=when, whole="status_all" in d.traps)


@family(2, seen=False)
def energy_bill(d):
    meters = [f"M-{n:03d}" for n in d.some(range(100, 400), 3)]
    here, fine = meters[0], d.trap("unit", 0.5)
    d.traps.add("newest")
    column, step = ("reading_wh", 1000) if fine else ("reading_kwh", 1)
    state, rows = {m: d.number(2000, 9000) for m in meters}, []
    months = d.number(5, 7)
    for month in range(1, months + 1):
        for meter in meters:
            rows.append({"meter": meter, "date": f"2024-{month:02d}-01", column: state[meter] * step})
            state[meter] += d.number(80, 420)
    first, last = sorted(d.some(range(1, months + 1), 2))
    prices = [d.number(21, 29), d.number(30, 39)]
    kinds = d.shuffled([("2023-01-01", prices[0]), ("2023-12-01", prices[1])])

    def solve(skip):
        at = {r["date"]: r[column] for r in rows if r["meter"] == here}
        used = at[f"2024-{last:02d}-01"] - at[f"2024-{first:02d}-01"]
        price = prices[0] if "newest" in skip else prices[1]
        return rounded(Fraction(used, 1 if "unit" in skip else step) * price / 100, 2)

    tariff = {"unit": "EUR per kWh", "tariffs": [{"valid_from": day, "price": p / 100} for day, p in kinds]}
    begin, end = f"2024-{first:02d}-01", f"2024-{last:02d}-01"
    question = d.say(
        2,
        f"What did the electricity of the meter {here} cost from {begin} to {end}, in EUR?",
        f"How many EUR were due for what the meter {here} counted between {begin} and {end}?",
    )
    check = """
at = {r["date"]: r for r in table("meters.csv") if r["meter"] == here}
price = max(json.loads(text("tariff.json"))["tariffs"], key=lambda t: t["valid_from"])["price"]
used = int(at[end][column]) - int(at[begin][column])
show(used / (1000 if column == "reading_wh" else 1) * price, 2)
"""
    files = {"meters.csv": table(rows, notes(d)), "tariff.json": as_json(tariff)}
    return question, files, solve, program(d, check, *files, here=here, column=column, begin=begin, end=end)


@family(2, seen=False)
def league(d):
    teams = d.some(pools.TEAMS, 4)
    code = {t: t[:3].upper() for t in teams}
    win, draw = d.pick(((3, 1), (2, 1), (4, 2)))
    d.traps.add("legend")
    pairs = [(a, b) for a in teams for b in teams if a != b]
    rows = [
        {"match_id": n, "home": code[a], "away": code[b], "home_goals": d.number(0, 4), "away_goals": d.number(0, 4)}
        for n, (a, b) in enumerate(d.shuffled(pairs), 1)
    ]
    dead = statuses(d, rows, 0.45)
    fixed = d.pick(rows)["match_id"] if d.trap("correction", 0.55) else 0
    after = (d.number(0, 4), d.number(0, 4))

    def solve(skip):
        points = dict.fromkeys(code.values(), 0)
        for r in counted(d, rows, skip):
            a, b = r["home_goals"], r["away_goals"]
            if r["match_id"] == fixed and "correction" not in skip:
                a, b = after
            points[r["home"]] += win if a > b else draw if a == b else 0
            points[r["away"]] += win if b > a else draw if a == b else 0
        first = best(points)
        return first if "legend" in skip else next(t for t in teams if code[t] == first)

    lines = [
        "# Rules",
        "",
        f"A win gives {win} points, a draw {draw}, a defeat none.",
        "",
        "| code | team |",
        "|---|---|",
    ]
    lines += [f"| {code[t]} | {t} |" for t in teams]
    lines += ["", f"Correction: match {fixed} ended {after[0]}:{after[1]}."] if fixed else []
    question = d.say(
        "name",
        f"Which team has the most points in all matches{even_if(d, dead, 'matches')}?",
        f"Over all matches{even_if(d, dead, 'matches')}, which team won the most points?",
    )
    check = """
said, points = text("rules.md"), Counter()
win, draw = map(int, re.search(r"win gives (\\d+) points, a draw (\\d+)", said).groups())
names = dict(re.findall(r"\\| (\\w+) \\| (\\w+) \\|", said))
late = re.search(r"match (\\d+) ended (\\d+):(\\d+)", said)
for r in live(table("matches.csv"), whole):
    a, b = int(r["home_goals"]), int(r["away_goals"])
    if late and r["match_id"] == late[1]:
        a, b = int(late[2]), int(late[3])
    points[r["home"]] += win if a > b else draw if a == b else 0
    points[r["away"]] += win if b > a else draw if a == b else 0
print(names[points.most_common(1)[0][0]])
"""
    files = {"matches.csv": table(rows, notes(d, dead, "match", "match_id")), "rules.md": "\n".join(lines) + "\n"}
    return question, files, solve, program(d, check, *files, whole="status_all" in d.traps)


@family(2, seen=False)
def phone_bill(d):
    people = [f"K-{n}" for n in d.some(range(100, 999), 4)]
    here, loose = people[0], d.trap("key", 0.45)
    zones = ("city", "country", "abroad")
    price = {z: d.number(low, low + 20) for z, low in zip(zones, (4, 15, 60), strict=True)}
    d.traps.add("rule")
    whole_minutes = d.chance(0.7)
    rows = [
        {"call_id": n, "customer": mangled(d, p) if loose and d.chance(0.4) else p, "zone": d.pick(zones),
         "seconds": d.number(8, 900)}
        for n, p in enumerate(d.spread(people, d.size(22, 30, 220)), d.number(1000, 9000))
    ]  # fmt: skip
    dead = statuses(d, rows, 0.35)
    rows = repeats(d, rows)

    def solve(skip):
        total = Fraction(0)
        match = (lambda k: k) if "key" in skip else plain_key
        for r in counted(d, rows, skip, "call_id"):
            if match(r["customer"]) == match(here):
                started = whole_minutes != ("rule" in skip)
                total += (-(-r["seconds"] // 60) if started else Fraction(r["seconds"], 60)) * price[r["zone"]]
        return rounded(total / 100, 2)

    rule = "Every started minute is charged in full." if whole_minutes else "Calls are charged by the second."
    pages = [["PRICES PER MINUTE", "", f"{'zone':<12}EUR", *(f"{z:<12}{price[z] / 100:.2f}" for z in zones)],
             ["CONDITIONS", "", rule]]  # fmt: skip
    question = d.say(
        2,
        f"What is the phone bill of the customer {here}{even_if(d, dead, 'calls')}, in EUR?",
        f"How many EUR does the customer {here} have to pay for all calls{even_if(d, dead, 'calls')}?",
    )
    check = """
price = {z: float(v) for z, v in re.findall(r"(?m)^(\\w+) +([0-9.]+) *$", SEEN["prices.pdf"])}
total = 0
for r in once(live(table("calls.csv"), whole), "call_id"):
    if plain(r["customer"]) == plain(here):
        seconds = int(r["seconds"])
        minutes = math.ceil(seconds / 60) if "started minute" in SEEN["prices.pdf"] else seconds / 60
        total += minutes * price[r["zone"]]
show(total, 2)
"""
    files = {"calls.csv": paged(d, table(rows, notes(d, dead, "call", "call_id")), rows), "prices.pdf": pdf(pages)}
    return question, files, solve, program(d, check, *files, here=here, whole="status_all" in d.traps)
