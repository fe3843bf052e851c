"""Level 3, families that only the test split has."""

from __future__ import annotations

import re
from fractions import Fraction

import pools
from formats import archive, as_json, pdf, table, workbook
from oracle import program
from parts import counted, even_if, exact, family, mangled, notes, plain_key, repeats, rounded, statuses


@family(3, seen=False)
def web_festival(d):
    stages = d.some(pools.STAGES, 3)
    here = stages[0]
    bands, mode = d.some(pools.BANDS, 12), d.trap_of("newest", "newest", "draft")
    plans = [{b: d.pick(stages) for b in bands} for _ in range(2)]
    off = d.some(bands, d.number(2, 3)) if d.trap("status", 0.5) else []

    def page(title, plan, state):
        lines = [f"# {title}", "", state, "", "| band | stage | status |", "|---|---|---|"]
        return (
            "\n".join(
                lines + [f"| {b} | {plan[b]} | {'cancelled' if b in off else 'confirmed'} |" for b in d.shuffled(bands)]
            )
            + "\n"
        )

    month = d.number(3, 5)
    later = "Draft, not approved." if mode == "draft" else f"Updated on 2024-0{month + 1}-12, replaces all before."
    pages = {
        "programme-1.md": page("Festival programme", plans[0], f"Updated on 2024-0{month}-02."),
        "programme-2.md": page("Festival programme, new version", plans[1], later),
        "tickets.md": "# Tickets\n\nOne ticket is good for all stages and all concerts.\n",
        "history.md": f"# History\n\nThe festival has had a {here} since {d.number(1975, 2005)}.\n",
    }  # fmt: skip
    if d.chance():
        pages["programme-1.md"], pages["programme-2.md"] = pages["programme-2.md"], pages["programme-1.md"]

    def solve(skip):
        plan = plans[(mode == "newest") != bool(skip & {mode})]
        return exact(sum(plan[b] == here and (b not in off or "status" in skip) for b in bands))

    question = d.say(
        "number",
        f"How many concerts take place on the {here} according to the valid programme?",
        f"How many bands play on the {here} by the programme that is valid now?",
    )

    def oracle(call):
        names = sorted(set(re.findall(r"programme-\d\.md", call("search", query="festival programme"))))
        texts = [call("open_page", name=name) for name in names]
        valid = [text for text in texts if "Draft" not in text]
        text = max(valid, key=lambda t: re.search(r"Updated on ([\d-]+)", t)[1])
        return str(len(re.findall(rf"\| {here} \| confirmed", text)))

    return question, {"web.zip": archive({f"pages/{n}": t for n, t in pages.items()})}, solve, oracle


@family(3, seen=False)
def budget_overrun(d):
    departments = d.some(pools.DEPARTMENTS, 5)
    here, revised, thousand = departments[0], d.trap("newest", 0.6), d.trap("scale", 0.5)
    d.traps.add("decoy")
    plan = {p: d.number(120, 900) for p in departments}
    again = {p: d.number(120, 900) for p in departments}
    rows = []
    for year, share in ((2023, d.number(70, 99)), (2024, d.number(104, 160))):
        for p in departments:
            total = (again if revised else plan)[p] * share * 10
            half = total * d.number(30, 70) // 100
            rows += [{"year": year, "department": p, "half": 1, "spent_eur": half},
                     {"year": year, "department": p, "half": 2, "spent_eur": total - half}]  # fmt: skip
    rows = d.shuffled(rows)

    def solve(skip):
        budget = (plan if "newest" in skip else again if revised else plan)[here]
        spent = sum(r["spent_eur"] for r in rows if r["department"] == here and (r["year"] == 2024 or "decoy" in skip))
        budget *= 1 if thousand and "scale" in skip else 1000
        return rounded((Fraction(spent, budget) - 1) * 100, 1)

    def book_of(numbers):
        unit = 1 if thousand else 1000
        head = "budget (kEUR)" if thousand else "budget (EUR)"
        content = [["department", head], *([p, numbers[p] * unit] for p in departments)]
        return workbook({"budget": content, "notes": [["Passed by the council."]]})

    files = {"budget_2024.xlsx": book_of(plan)}
    if revised:
        files["budget_2024_revised.xlsx"] = book_of(again)
    files["budget_2023.xlsx"] = book_of({p: d.number(120, 900) for p in departments})
    files["actual.csv"] = table(rows, notes(d))
    question = d.say(
        1,
        f"By how many per cent did the department {here} exceed its budget in 2024?",
        f"How far, in per cent, was what {here} spent in 2024 above its budget of that year?",
    )
    check = """
names = zipfile.ZipFile("budget.zip").namelist()
name = "budget_2024_revised.xlsx" if "budget_2024_revised.xlsx" in names else "budget_2024.xlsx"
rows = book("budget.zip/" + name)["budget"]
budget = int(dict(rows[1:])[here]) * (1000 if "kEUR" in rows[0][1] else 1)
spent = [r for r in table("budget.zip/actual.csv") if r["year"] == "2024" and r["department"] == here]
show((sum(int(r["spent_eur"]) for r in spent) / budget - 1) * 100, 1)
"""
    return (
        question,
        {"budget.zip": archive(files)},
        solve,
        program(d, check, "budget.zip", "budget.zip/actual.csv", here=here),
    )


@family(3, seen=False)
def code_chain(d):
    d.traps.add("run")
    seed, mod, factor = d.number(3, 40), d.pick((89, 97, 101)), d.number(5, 17)
    many, keep, least = d.number(12, 25), d.pick((2, 3, 5)), d.number(20, 50)
    first = [
        f'"""Writes the first {many} multiples of {factor} to numbers.txt."""', "",
        f"value = {seed}", 'with open("numbers.txt", "w") as file:', f"    for _ in range({many}):",
        f"        value = (value * {factor} + 1) % {mod}", '        file.write(f"{value}\\n")',
    ]  # fmt: skip
    second = [
        f'"""Prints the sum of all numbers above {least} in numbers.txt."""',
        "",
        'numbers = [int(line) for line in open("numbers.txt")]',
        f"print(sum(n for n in numbers if n > {least} and n % {keep}))",
    ]

    def solve(skip):
        value, numbers = seed, []
        for _ in range(many):
            value = (value * factor + 1) % mod
            numbers.append(value)
        if skip:
            return exact(sum(n for n in (factor * i for i in range(1, many + 1)) if n > least))
        return exact(sum(n for n in numbers if n > least and n % keep))

    lines = [
        "# Tools",
        "",
        "step1.py writes multiples, step2.py adds up the large ones.",
        "numbers_old.txt: of last year.",
    ]
    files = {"README.md": "\n".join(lines) + "\n", "step1.py": "\n".join(first) + "\n",
             "step2.py": "\n".join(second) + "\n",
             "numbers_old.txt": "".join(f"{d.number(1, mod)}\n" for _ in range(many))}  # fmt: skip
    question = d.say(
        "number",
        "What does step2.py print after step1.py has run?",
        "First step1.py runs, then step2.py. Which number does step2.py print?",
    )

    def oracle(call):
        call("read_file", name="tools.zip")
        call("read_file", name="tools.zip/step1.py")
        call("read_file", name="tools.zip/step2.py")
        run = 'exec(open("step1.py").read())\nexec(open("step2.py").read())\n'
        return call("run_python", code=f'import zipfile\nzipfile.ZipFile("tools.zip").extractall(".")\n{run}').strip()

    return question, {"tools.zip": archive(files)}, solve, oracle


@family(3, seen=False)
def fleet_fuel(d):
    models = d.some(pools.MODELS, 3)
    here, loose = models[0], d.trap("key", 0.45)
    plates = [f"V-{n:03d}" for n in d.some(range(10, 500), 6)]
    model = dict(zip(plates, d.spread(models, 6), strict=True))
    miles, gallons = d.trap("unit", 0.5), d.chance()
    way, fuel = ("mi", "gal" if gallons else "l") if miles else ("km", "l")
    # The whole fleet has one unit of distance in trips.csv; refuels say theirs row by row.
    trips = [{"trip_id": f"D{n}", "vehicle": v, f"distance_{way}": d.number(80, 600)}
             for n, v in enumerate(d.spread(plates, 18), d.number(100, 500))]  # fmt: skip
    refuels = [{"vehicle": mangled(d, v) if loose and d.chance(0.5) else v, "amount": d.number(20, 80),
                "unit": d.pick(("l", fuel))} for v in d.spread(plates, 14)]  # fmt: skip
    dead = statuses(d, trips, 0.35)
    trips = repeats(d, trips, 0.35)

    def solve(skip):
        match = (lambda k: k) if "key" in skip else plain_key
        own = {match(v) for v in plates if model[v] == here}
        mile, gallon = (1, 1) if "unit" in skip else (Fraction(1609, 1000), Fraction(3785, 1000))
        far = sum(r[f"distance_{way}"] for r in counted(d, trips, skip, "trip_id") if model[r["vehicle"]] == here)
        burnt = sum(r["amount"] * (gallon if r["unit"] == "gal" else 1) for r in refuels if match(r["vehicle"]) in own)
        return rounded(burnt * 100 / (far * (mile if way == "mi" else 1)), 2)

    lines = notes(d, dead, "trip", "trip_id")
    files = {"vehicles.json": as_json([{"vehicle": v, "model": model[v]} for v in plates]),
             "trips.csv": table(trips, lines), "refuel.csv": table(refuels),
             "refuel_2021.csv": table([{**r, "amount": d.number(20, 80)} for r in refuels[:6]], ["of another year"]),
             }  # fmt: skip
    question = d.say(
        2,
        f"How many litres per 100 km did the vehicles of the model {here} use{even_if(d, dead, 'trips')}? "
        "1 mile = 1.609 km, 1 gallon (gal) = 3.785 l.",
        f"What was the fuel consumption of the model {here}, in litres per 100 km{even_if(d, dead, 'trips')} "
        "(1 mi = 1.609 km, 1 gal = 3.785 l)?",
    )
    check = """
own = {plain(v["vehicle"]) for v in json.loads(text("fleet.zip/vehicles.json")) if v["model"] == here}
rows = [r for r in once(live(table("fleet.zip/trips.csv"), whole), "trip_id") if plain(r["vehicle"]) in own]
far = sum(float(r["distance_mi"]) * 1.609 if "distance_mi" in r else float(r["distance_km"]) for r in rows)
fuel = [r for r in table("fleet.zip/refuel.csv") if plain(r["vehicle"]) in own]
burnt = sum(float(r["amount"]) * (3.785 if r["unit"] == "gal" else 1) for r in fuel)
show(burnt * 100 / far, 2)
"""
    return (
        question,
        {"fleet.zip": archive(files)},
        solve,
        program(d, check, "fleet.zip", "fleet.zip/vehicles.json", here=here, whole="status_all" in d.traps),
    )


@family(3, seen=False)
def households(d):
    regions = {"North": 1, "South": 2, "East": 3}
    here, year = d.pick(list(regions)), d.pick((2021, 2022))
    d.traps.add("decoy")
    total, gaps, thousand = d.trap("total", 0.35), d.trap("blank", 0.4), d.trap("scale", 0.35)
    data = {}
    for n in range(1, 5):
        for one in (2021, 2022):
            rows = [{"region": r, "district": f"{n}{letter}", "households": d.number(200, 900),
                     "persons": 0} for r in regions for letter in "ab"]  # fmt: skip
            for r in rows:
                r["persons"] = r["households"] * d.number(160, 310) // 100
            data[n, one] = rows
    picked = [(n, year) for n in range(1, 5)]
    if gaps:
        for n, one in data:
            for r in d.some([r for r in data[n, one] if r["region"] == here], 1):
                r["persons"] = ""
    small = d.pick(picked)[0] if thousand else 0
    for one in (2021, 2022):
        for r in data.get((small, one), ()):
            r["households"] = d.number(1, 3)
            r["persons"] = d.number(2, 9) if r["persons"] != "" else ""

    def solve(skip):
        homes = people = 0
        for (n, one), rows in data.items():
            if one != year and "decoy" not in skip:
                continue
            factor = 1000 if n == small and "scale" not in skip else 1
            for r in rows:
                if r["region"] == here or "total" in skip:
                    if r["persons"] == "" and "blank" not in skip:
                        continue
                    homes += r["households"] * factor
                    people += (r["persons"] or 0) * factor
        return rounded(Fraction(people, homes), 2)

    files = {}
    for (n, one), rows in data.items():
        tail = (
            [["Total", "", sum(r["households"] for r in rows), sum(r["persons"] or 0 for r in rows)]] if total else []
        )
        files[f"district{n}_{one}.tsv"] = table(rows, delimiter="\t", tail=tail)
    said = ["NOTES", "", "Households and persons as counted on 1 May.", "An empty cell: the district did not report;",
            "it is left out with its households."]  # fmt: skip
    said += [f"The files of district {small} are in thousands."] if small else []
    files["notes.pdf"] = pdf([["CENSUS", "", "Tables by district and year."], said])
    question = d.say(
        2,
        f"What was the mean number of persons per household in the region {here} in {year}?",
        f"How many persons did a household in the region {here} have on average in {year}?",
    )
    check = """
small = re.search(r"files of district (\\d) are in thousands", SEEN["census.zip/notes.pdf"])
homes = people = 0
for n in "1234":
    factor = 1000 if small and small[1] == n else 1
    for r in table(f"census.zip/district{n}_{year}.tsv"):
        if r["region"] == here and r["persons"]:
            homes += int(r["households"]) * factor
            people += int(r["persons"]) * factor
show(people / homes, 2)
"""
    return (
        question,
        {"census.zip": archive(files)},
        solve,
        program(d, check, "census.zip", "census.zip/notes.pdf", here=here, year=year),
    )
