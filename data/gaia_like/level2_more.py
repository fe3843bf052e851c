"""Level 2, the other families that training has."""

from __future__ import annotations

from fractions import Fraction

import pools
from formats import as_json, json_lines, table
from oracle import program
from parts import (
    Redraw,
    best,
    counted,
    even_if,
    family,
    mangled,
    notes,
    paged,
    plain_key,
    repeats,
    rounded,
    statuses,
    totals,
)


@family(2, seen=True)
def category_sales(d):
    codes = d.some(pools.CATEGORIES, 5)
    d.traps.add("legend")
    most = d.chance(0.7)
    rows = [
        {"sale_id": n, "category": c, "units": d.number(1, 60)}
        for n, c in enumerate(d.spread(codes, d.size(20, 30, 330)), d.number(5000, 9000))
    ]
    dead = statuses(d, rows, 0.4)
    rows = repeats(d, rows)

    def solve(skip):
        sums = totals(counted(d, rows, skip, "sale_id"), "category", lambda r: r["units"])
        code = best(sums, reverse=most)
        return code if "legend" in skip else pools.CATEGORIES[code]

    word = "most" if most else "fewest"
    question = d.say(
        "name",
        f"Over all sales{even_if(d, dead, 'sales')}, which category sold the {word} units?",
        f"In which category were the {word} units sold{even_if(d, dead, 'sales')}?",
    )
    check = """
names = dict(re.findall(r"(\\w+) \\| ([^|]+?) \\|", text("legend.md")))
sums = Counter()
for r in once(live(table("sales.csv"), whole), "sale_id"):
    sums[r["category"]] += int(r["units"])
print(names[(max if most else min)(sums, key=sums.get)])
"""
    lines = ["# Categories", "", "| code | name |", "|---|---|", *(f"| {c} | {pools.CATEGORIES[c]} |" for c in codes)]
    sales = paged(d, table(rows, notes(d, dead, "sale", "sale_id")), rows)
    files = {"sales.csv": sales, "legend.md": "\n".join(lines) + "\n"}
    return question, files, solve, program(d, check, *files, most=most, whole="status_all" in d.traps)


@family(2, seen=True)
def sensor_mean(d):
    sensors = [f"T-{n:02d}" for n in d.some(range(1, 40), 4)]
    here, loose, gaps = sensors[0], d.trap("key", 0.45), d.trap("blank", 0.45)
    offset = {s: d.number(-25, 25) / 10 or 0.7 for s in sensors}
    d.traps.add("rule")
    hole = d.pick(("", "n/a", "-999"))
    rows = []
    for n, sensor in enumerate(d.spread(sensors, d.number(24, 32)), d.number(100, 500)):
        value = hole if gaps and d.chance(0.25) else f"{d.number(120, 290) / 10:.1f}"
        rows.append({"reading_id": n, "sensor": mangled(d, sensor) if loose and d.chance() else sensor, "value": value})
    rows = repeats(d, rows)

    def solve(skip):
        match = (lambda k: k) if "key" in skip else plain_key
        kept = [r["value"] for r in counted(d, rows, skip, "reading_id") if match(r["sensor"]) == match(here)]
        values = [Fraction(v) if v not in ("", "n/a") else 0 for v in kept if v != hole or "blank" in skip]
        return rounded(sum(values) / Fraction(len(values)) + (0 if "rule" in skip else Fraction(str(offset[here]))), 2)

    text = {"note": "corrected reading = value + offset", "offset": offset}
    question = d.say(
        2,
        f"What is the mean corrected reading of the sensor {here}?",
        f"What is the average corrected value of the sensor {here}?",
    )
    check = """
offset = json.loads(text("calibration.json"))["offset"][here]
rows = [r for r in once(table("readings.csv"), "reading_id") if plain(r["sensor"]) == plain(here)]
values = [float(r["value"]) for r in rows if r["value"] not in ("", "n/a", "-999")]
show(sum(values) / len(values) + offset, 2)
"""
    more = [f"{hole} stands for a missing value."] if gaps and hole and d.chance(0.6) else []
    files = {
        "readings.csv": table(rows, notes(d, "", "reading", "reading_id", more)),
        "calibration.json": as_json(text),
    }
    return question, files, solve, program(d, check, *files, here=here)


@family(2, seen=True)
def arrival(d):
    trains = [f"R{n}" for n in d.some(range(10, 99), 5)]
    cities = d.some(pools.CITIES, 6)
    here = trains[0]
    rows = []
    for train in trains:
        start = d.number(300, 1000)
        rows.append({"train": train, "from": cities[0], "to": d.pick(cities[1:]), "departure": _clock(start),
                     "minutes": d.number(25, 320)})  # fmt: skip
    own = rows[0]
    mode = d.trap_of("", "newest", "newest", "correction")
    d.traps.add("rule")
    late = [d.number(4, 70), d.number(4, 70)]
    said = [(d.number(300, 500), trains[1], d.number(5, 40)), (d.number(400, 600), here, late[0])]
    if mode == "newest":
        said.append((d.number(620, 800), here, late[1]))
    said.append((d.number(620, 800), trains[2], d.number(5, 40)))
    lines = [f"{_clock(at)} Train {train} is {delay} minutes late." for at, train, delay in sorted(said)]
    if d.chance() and mode != "correction":
        lines.reverse()
    if mode == "correction":
        lines.append(f"Correction: the delay of train {here} was {late[1]} minutes.")

    def solve(skip):
        delay = late[0] if not mode or mode in skip else late[1]
        begin = int(own["departure"][:2]) * 60 + int(own["departure"][3:])
        return _clock(begin + own["minutes"] + (0 if "rule" in skip else delay))

    rows = d.shuffled(rows)
    question = f"At what time did the train {here} arrive in {own['to']}? Give the time as HH:MM."
    check = """
row = next(r for r in table("timetable.csv") if r["train"] == here)
said = re.findall(r"(?m)^(\\d\\d:\\d\\d) Train (\\w+) is (\\d+) minutes", text("delays.txt"))
late = re.search(rf"delay of train {here} was (\\d+)", text("delays.txt"))
delay = int(late[1]) if late else int(max(s for s in said if s[1] == here)[2])
hours, minutes = row["departure"].split(":")
end = int(hours) * 60 + int(minutes) + int(row["minutes"]) + delay
print(f"{end // 60:02d}:{end % 60:02d}")
"""
    files = {"timetable.csv": table(rows, notes(d)), "delays.txt": "\n".join(lines) + "\n"}
    if solve(frozenset()) >= "24:00":
        raise Redraw("after midnight")
    return question, files, solve, program(d, check, *files, here=here)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


@family(2, seen=True)
def recipe_energy(d):
    dish, parts = d.pick(pools.DISHES), d.some(pools.INGREDIENTS, 5)
    base, asked = d.pick((2, 4)), d.pick((6, 8, 10, 12))
    ounces = set(d.some(parts, 2)) if d.trap("unit", 0.45) else set()
    fixed = d.pick([p for p in parts if p not in ounces]) if d.trap("correction", 0.35) else ""
    d.traps.add("rule")
    amount = {p: d.number(2, 12) if p in ounces else d.number(30, 400, 10) for p in parts}
    after = d.number(30, 400, 10)

    def solve(skip):
        total = Fraction(0)
        for p in parts:
            grams = amount[p] * (Fraction(2835, 100) if p in ounces and "unit" not in skip else 1)
            grams = after if p == fixed and "correction" not in skip else grams
            total += grams * pools.INGREDIENTS[p] / 100
        return rounded(total * (1 if "rule" in skip else Fraction(asked, base)))

    lines = [f"# {dish.capitalize()}", "", f"For {base} persons.", ""]
    lines += [f"- {p}: {amount[p]} {'oz' if p in ounces else 'g'}" for p in parts]
    lines += ["", "Mix, bake for 40 minutes, let cool."]
    lines += [f"Correction: {fixed}: {after} g"] if fixed else []
    rows = [{"ingredient": p, "kcal_per_100g": pools.INGREDIENTS[p]} for p in d.shuffled(pools.INGREDIENTS)]
    question = d.say(
        0,
        f"How many kcal does {dish} for {asked} persons have? 1 oz = 28.35 g.",
        f"What is the energy of {dish} for {asked} persons, in kcal (1 oz = 28.35 g)?",
    )
    check = """
energy = {r["ingredient"]: float(r["kcal_per_100g"]) for r in table("nutrition.csv")}
grams, said = {}, text("recipe.md")
for name, value, unit in re.findall(r"(?m)^(?:- |Correction: )(\\w+): (\\d+) (oz|g)$", said):
    grams[name] = int(value) * (28.35 if unit == "oz" else 1)
base = int(re.search(r"For (\\d+) persons", said)[1])
show(sum(grams[p] * energy[p] / 100 for p in grams) * asked / base, 0)
"""
    files = {"recipe.md": "\n".join(lines) + "\n", "nutrition.csv": table(rows)}
    return question, files, solve, program(d, check, *files, asked=asked)


@family(2, seen=True)
def region_top(d):
    regions = d.some(pools.CITIES, 6)
    keys = [f"P-{n:03d}" for n in d.some(range(100, 400), 14)]
    region = dict(zip(keys, d.spread(regions, 14), strict=True))
    loose = d.trap("key", 0.45)
    rows = [
        {"id": 700 + n, "respondent": mangled(d, k) if loose and d.chance(0.4) else k, "score": d.number(1, 20)}
        for n, k in enumerate(d.spread(keys, d.number(22, 30)))
    ]
    dead = statuses(d, rows, 0.4)
    rows = repeats(d, rows)
    plain = {plain_key(k): v for k, v in region.items()}

    def solve(skip):
        sums = dict.fromkeys(regions, 0)
        for r in counted(d, rows, skip, "id"):
            found = region.get(r["respondent"]) if "key" in skip else plain[plain_key(r["respondent"])]
            if found:
                sums[found] += r["score"]
        return best(sums, 3)

    question = d.say(
        "high",
        f"Over all responses{even_if(d, dead, 'responses')}, which three regions gave the highest total score?",
        f"What are the three regions with the highest sum of scores over all responses{even_if(d, dead, 'responses')}?",
    )
    check = """
region = {plain(r["respondent"]): r["region"] for r in table("respondents.csv")}
sums = Counter()
for r in once(live([json.loads(line) for line in text("responses.jsonl").splitlines()], whole), "id"):
    sums[region[plain(r["respondent"])]] += r["score"]
print(", ".join(name for name, _ in sums.most_common(3)))
"""
    people = [{"respondent": k, "region": region[k]} for k in sorted(keys)]
    files = {"responses.jsonl": json_lines(rows), "respondents.csv": table(people, notes(d, dead, "response", "id"))}
    return question, files, solve, program(d, check, *files, whole="status_all" in d.traps)
