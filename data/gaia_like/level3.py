"""Level 3, families that training has: archives of mixed files with decoys, code to run; nine steps and more."""

from __future__ import annotations

from fractions import Fraction

import pools
from formats import archive, as_json, pdf, table
from oracle import program
from parts import Redraw, counted, even_if, exact, family, mangled, notes, plain_key, rounded, statuses


@family(3, seen=True)
def branch_revenue(d):
    cities, year = d.some(pools.CITIES, d.number(3, 4)), d.pick((2023, 2024))
    thousand = d.some(cities, 1) if d.trap("scale", 0.5) else []
    d.traps.add("decoy")
    total, word = d.trap("total", 0.3), d.pick(("revenue", "turnover"))
    files, tables = {}, {}
    for city in d.shuffled(cities):
        for one in (2023, 2024):
            small = city in thousand
            rows = [{"month": f"{one}-{m:02d}", "amount": d.number(8, 95) * (1 if small else 1000)}
                    for m in d.some(range(1, 13), 6)]  # fmt: skip
            tables[city, one] = sorted(rows, key=lambda r: r["month"])
    dead = statuses(d, [r for rows in tables.values() for r in rows], 0.35)

    def solve(skip):
        value = 0
        for (city, one), rows in tables.items():
            if one == year or "decoy" in skip:
                factor = 1000 if city in thousand and "scale" not in skip else 1
                value += factor * sum(r["amount"] for r in counted(d, rows, skip))
                value += factor * sum(r["amount"] for r in rows) if "total" in skip else 0
        return exact(value)

    for (city, one), rows in tables.items():
        tail = [["Total", sum(r["amount"] for r in rows), ""]] if total else []
        files[f"{city.lower()}_{one}.csv"] = table(rows, tail=tail)
    lines = [f"# Branch {word}", "", "One file a branch and year. Amounts in EUR."]
    lines += [f"The branch {city} reports all amounts in thousand EUR." for city in thousand]
    lines += notes(d, dead, "month")
    files["notes.md"] = "\n".join(lines) + "\n"
    question = d.say(
        "number",
        f"What was the total {word} of all branches in {year}{even_if(d, dead, 'months')}, in EUR?",
        f"How many EUR of {word} did all branches together have in {year}{even_if(d, dead, 'months')}?",
    )
    check = """
total = 0
for name in zipfile.ZipFile("branches.zip").namelist():
    if name.endswith(f"_{year}.csv"):
        rows = [r for r in live(table("branches.zip/" + name), whole) if r["month"] != "Total"]
        small = re.search(rf"(?i)The branch {name[:-9]} reports", text("branches.zip/notes.md"))
        total += sum(int(r["amount"]) for r in rows) * (1000 if small else 1)
print(total)
"""
    return (
        question,
        {"branches.zip": archive(files)},
        solve,
        program(d, check, "branches.zip", "branches.zip/notes.md", year=year, whole="status_all" in d.traps),
    )


@family(3, seen=True)
def project_cost(d):
    teams, day = d.some(pools.TEAMS, 4), d.pick((7, 8))
    here, mode = teams[0], d.trap_of("newest", "newest", "draft")
    d.traps.add("rule")
    rates = [{t: d.number(30, 95) for t in teams} for _ in range(2)]
    rows = [
        {"task_id": f"T{n}", "team": t, "days": d.number(1, 30) / 2}
        for n, t in enumerate(d.spread(teams, d.number(16, 22)), d.number(10, 60))
    ]
    dead = statuses(d, rows, 0.35)
    own = [r for r in rows if r["team"] == here and r["status"] not in d.conventions.dead]
    if not own:
        raise Redraw("no task left")
    fixed = d.pick(own)["task_id"] if d.trap("correction") else ""
    after = d.number(1, 30) / 2

    def solve(skip):
        rate = rates[(mode == "newest") != bool(skip & {mode})][here]
        hours = 0
        for r in counted(d, rows, skip):
            if r["team"] == here:
                hours += Fraction(after if r["task_id"] == fixed and "correction" not in skip else r["days"])
        return exact(hours * rate * (1 if "rule" in skip else day))

    heads = [{"version": 1, "state": "approved"}, {"version": 2, "state": "draft" if mode == "draft" else "approved"}]
    said = ["Changes to the plan", ""]
    said += [f"Correction: the task {fixed} takes {after} days."] if fixed else ["No task has changed."]
    lines = ["# Project", "", f"A day has {day} working hours; rates are EUR per hour.", *notes(d, dead, "task")]
    files = {
        "README.md": "\n".join(lines) + "\n", "tasks.csv": table(rows),
        "rates_v1.json": as_json({**heads[0], "rates": rates[0]}),
        "rates_v2.json": as_json({**heads[1], "rates": rates[1]}), "changes.txt": "\n".join(said) + "\n",
    }  # fmt: skip
    question = d.say(
        "number",
        f"What did the work of the {here} team cost{even_if(d, dead, 'tasks')}, in EUR?",
        f"How many EUR did all tasks of the {here} team cost{even_if(d, dead, 'tasks')}?",
    )
    check = """
found = [json.loads(text(f"project.zip/rates_v{n}.json")) for n in (1, 2)]
rate = [f for f in found if f["state"] == "approved"][-1]["rates"][here]
late = re.search(r"task (\\w+) takes ([0-9.]+)", text("project.zip/changes.txt"))
rows = [r for r in live(table("project.zip/tasks.csv"), whole) if r["team"] == here]
days = sum(float(late[2]) if late and r["task_id"] == late[1] else float(r["days"]) for r in rows)
show(days * int(re.search(r"(\\d) working hours", text("project.zip/README.md"))[1]) * rate, 2)
"""
    return (
        question,
        {"project.zip": archive(files)},
        solve,
        program(d, check, "project.zip", "project.zip/README.md", here=here, whole="status_all" in d.traps),
    )


@family(3, seen=True)
def script_data(d):
    d.traps.add("run")
    rows = [{"name": n, "score": d.number(10, 99), "group": d.pick("AB")} for n in d.some(pools.CITIES, 14)]
    group, least = d.pick("AB"), d.number(25, 60)
    config = {"group": group, "least": least, "use": d.pick(("score", "rank"))}
    strict, sign = d.chance(), d.chance()
    script = [
        '"""Adds up the scores of the group in config.json that are at least `least`."""',
        "import csv", "import json", "", 'config = json.load(open("config.json"))',
        'rows = list(csv.DictReader(open("data.csv")))', "total = 0",
        'for at, row in enumerate(sorted(rows, key=lambda r: int(r["score"])), 1):',
        '    if row["group"] != config["group"]:', "        continue",
        f'    if int(row["score"]) {">" if strict else "<="} config["least"]:  # at least',
        '        total += at if config["use"] == "rank" else int(row["score"])',
        f"print(total {'%' if sign else '+'} 97)",
    ]  # fmt: skip
    if len({r["score"] for r in rows}) < len(rows):
        raise Redraw("ranks depend on the sort")
    rows = d.shuffled(rows)

    def solve(skip):
        total = 0
        for at, r in enumerate(sorted(rows, key=lambda r: r["score"]), 1):
            if skip:
                total += r["score"] if r["group"] == group and r["score"] >= least else 0
            elif r["group"] == group and (r["score"] > least) == strict:
                total += at if config["use"] == "rank" else r["score"]
        if not total:
            raise Redraw("nothing in the group")
        return exact(total if skip else total % 97 if sign else total + 97)

    files = {
        "README.md": "# job\n\nRun job.py beside data.csv and config.json. It prints the sum of the scores of the "
        "group that are at least `least`.\n",
        "job.py": "\n".join(script) + "\n", "config.json": as_json(config), "data.csv": table(rows),
        "data_old.csv": table([{**r, "score": d.number(10, 99)} for r in rows]),
    }  # fmt: skip
    question = d.say(
        "number",
        "What does job.py print for the data and the configuration in the archive?",
        "Which number does job.py print when it runs beside the other files of the archive?",
    )

    def oracle(call):
        call("read_file", name="job.zip")
        call("read_file", name="job.zip/job.py")
        return call(
            "run_python",
            code='import zipfile\nzipfile.ZipFile("job.zip").extractall(".")\nexec(open("job.py").read())\n',
        ).strip()

    return question, {"job.zip": archive(files)}, solve, oracle


@family(3, seen=True)
def lab_batches(d):
    wanted, other = d.some(pools.SUBSTANCES, 2)
    count, void = d.number(3, 4), d.trap("decoy", 0.45)
    micro = set(d.some(range(1, count + 1), d.number(1, 2))) if d.trap("unit", 0.55) else set()
    gaps = d.trap("blank", 0.4)
    dropped = d.number(1, count) if void else 0
    batches = {}
    for n in range(1, count + 1):
        rows = [
            {"sample": f"{n}-{i}", "substance": s, "value": d.number(30, 900)}
            for i in range(1, 5)
            for s in (wanted, other)
        ]
        if gaps:
            d.pick(rows)["value"] = d.pick(("", "n/a"))
        batches[n] = rows

    def solve(skip):
        values = []
        for n, rows in batches.items():
            if n != dropped or "decoy" in skip:
                for r in rows:
                    if r["substance"] == wanted and (r["value"] not in ("", "n/a") or "blank" in skip):
                        value = Fraction(0 if r["value"] in ("", "n/a") else r["value"])
                        values.append(value / 1000 if n in micro and "unit" not in skip else value / 100)
        if "unit" in skip:
            values = [v * 100 for v in values]
        return rounded(sum(values) / len(values), 3)

    files = {}
    for n, rows in batches.items():
        name = "value (ug/l)" if n in micro else "value (mg/l)"
        shown = [{"sample": r["sample"], "substance": r["substance"], name: r["value"]} for r in rows]
        for r in shown if n not in micro else ():
            r[name] = r[name] / 100 if r[name] not in ("", "n/a") else r[name]
        files[f"batch_{n}.csv"] = table(shown)
    lines = ["# Protocol", "", "1 mg = 1000 ug. Empty or n/a: not measured.", ""]
    lines += [
        f"- batch {n}: {d.pick(('void, the sampler leaked', 'void, wrong bottle')) if n == dropped else 'ok'}"
        for n in batches
    ]
    files["protocol.md"] = "\n".join(lines) + "\n"
    question = d.say(
        3,
        f"What is the mean concentration of {wanted} over all samples of the batches, in mg/l?",
        f"What is the average {wanted} value of all samples in the archive, in mg/l?",
    )
    check = """
said, values = SEEN["lab.zip/protocol.md"], []
for n, state in re.findall(r"- batch (\\d+): (\\w+)", said):
    for r in table(f"lab.zip/batch_{n}.csv") if state == "ok" else ():
        column = next(c for c in r if c.startswith("value"))
        if r["substance"] == wanted and r[column] not in ("", "n/a"):
            values.append(float(r[column]) / (1000 if "ug" in column else 1))
show(sum(values) / len(values), 3)
"""
    oracle = program(d, check, "lab.zip", "lab.zip/protocol.md", wanted=wanted)
    return question, {"lab.zip": archive(files)}, solve, oracle


@family(3, seen=True)
def freight_manifest(d):
    ships = d.some(("Albatross", "Bellona", "Cormorant", "Dorothea", "Esperance"), 3)
    here, mixed = ships[0], d.trap("unit", 0.5)
    kinds = ("dry", "cooled", "tank")
    d.traps.add("newest")
    old, new = ({k: d.number(40, 300) / 1000 for k in kinds} for _ in range(2))
    boxes = [f"BX-{n}" for n in d.some(range(200, 900), 16)]
    rows = [
        {
            "container": b,
            "kind": d.pick(kinds),
            "weight": d.number(800, 9000),
            "unit": d.pick(("kg", "lb")) if mixed else "kg",
        }
        for b in sorted(boxes)
    ]
    dead = statuses(d, rows, 0.4)
    loose = d.trap("key", 0.45)
    ship = dict(zip(boxes, d.spread(ships, len(boxes)), strict=True))
    written = {b: mangled(d, b) if loose and d.chance(0.4) else b for b in boxes}
    mine = {written[b] for b in boxes if ship[b] == here}

    def solve(skip):
        match = (lambda k: k) if "key" in skip else plain_key
        own = {match(key) for key in mine}
        total = Fraction(0)
        for r in counted(d, rows, skip):
            if match(r["container"]) in own:
                pound = Fraction(4536, 10000) if r["unit"] == "lb" and "unit" not in skip else 1
                total += r["weight"] * pound * Fraction(str((old if "newest" in skip else new)[r["kind"]]))
        return rounded(total, 2)

    lines = [f'  <load container="{written[b]}" ship="{ship[b]}"/>' for b in boxes]
    start = f"2024-{d.number(2, 9):02d}-01"
    tariffs = {
        name: pdf([["TARIFF", f"valid from {day}", "", *(f"{k:<12}{rate[k]:.3f} EUR per kg" for k in kinds)]])
        for name, day, rate in (("tariff_a.pdf", "2022-01-01", old), ("tariff_b.pdf", start, new))
    }
    if d.chance():
        tariffs = {"tariff_a.pdf": tariffs["tariff_b.pdf"], "tariff_b.pdf": tariffs["tariff_a.pdf"]}
    files = {"manifest.xml": "\n".join(["<manifest>", *lines, "</manifest>", ""]),
             "containers.csv": table(rows, notes(d, dead, "container", "container")), **tariffs}  # fmt: skip
    question = d.say(
        2,
        f"What is the total freight for the ship {here} by the tariff in force{even_if(d, dead, 'containers')}, "
        "in EUR? 1 lb = 0.4536 kg.",
        f"How many EUR is the freight of all containers on the ship {here} at present{even_if(d, dead, 'containers')} "
        "(1 lb = 0.4536 kg)?",
    )
    check = """
best_day = ""
for name in ("tariff_a.pdf", "tariff_b.pdf"):
    said = SEEN["freight.zip/" + name]
    day = re.search(r"valid from ([0-9-]+)", said)[1]
    if day > best_day:
        best_day, rate = day, {k: float(v) for k, v in re.findall(r"(\\w+) +([0-9.]+) EUR", said)}
loads = [load for load in ET.fromstring(text("freight.zip/manifest.xml")) if load.get("ship") == here]
own = {plain(load.get("container")) for load in loads}
total = 0
for r in live(table("freight.zip/containers.csv"), whole):
    if plain(r["container"]) in own:
        total += int(r["weight"]) * (0.4536 if r["unit"] == "lb" else 1) * rate[r["kind"]]
show(total, 2)
"""
    return (
        question,
        {"freight.zip": archive(files)},
        solve,
        program(
            d, check, "freight.zip", *(f"freight.zip/{name}" for name in tariffs), here=here,
            whole="status_all" in d.traps,
        ),
    )
