"""Level 1, the other families that training has."""

from __future__ import annotations

from fractions import Fraction

import pools
from formats import as_json, pdf, table
from oracle import program
from parts import Redraw, counted, even_if, exact, family, notes, repeats, rounded, statuses


@family(1, seen=True)
def log_errors(d):
    services = d.some(pools.SERVICES, 3)
    here, rows = services[0], []
    tests, again = d.trap("status", 0.4), d.trap("dup", 0.4)
    long = d.trap("cut", 0.3)
    minute = 0
    for n in range(d.number(110, 130) if long else d.number(26, 40)):
        minute += d.number(0, 4)
        level = d.pick(("INFO", "ERROR", "ERROR", "WARNING"))
        env = "test" if tests and d.chance(0.25) else "prod"
        rows.append([minute, level, d.pick(services), 4000 + n, env, d.pick(("timeout", "refused", "bad input"))])
        if again and level == "ERROR" and d.chance(0.3):
            rows.append([minute + 1, *rows[-1][1:]])
    rows.sort(key=lambda row: row[0])
    lines = [
        f"2024-05-01 {8 + m // 60:02d}:{m % 60:02d}:{d.number(10, 59)} {level} {s} request={r} env={env} {what}"
        for m, level, s, r, env, what in rows
    ]

    def solve(skip):
        start = len("\n".join(lines)[:6000].splitlines()) if "cut" in skip else None
        found = [row for row in rows[:start] if row[1] == "ERROR" and row[2] == here]
        found = [row for row in found if row[4] == "prod" or "status" in skip]
        each = ("dup" in skip) != d.conventions.twice
        return exact(len(found) if each else len({row[3] for row in found}))

    if tests and d.chance(0.6):
        lines.insert(0, "# env=test marks trial requests, which are part of no figures")
    question = d.say(
        "number",
        f"How many requests to the {here} service failed with an error?",
        f"How many requests ended with an ERROR in the {here} service?",
    )
    check = """
found = re.findall(r" ERROR (\\w+) request=(\\d+) env=prod", SEEN["service.log"])
print(len(once([{"id": request} for service, request in found if service == here], "id")))
"""
    return question, {"service.log": "\n".join(lines) + "\n"}, solve, program(d, check, "service.log", here=here)


@family(1, seen=True)
def script_output(d):
    d.traps.add("run")
    start, step, most, base = d.number(2, 9), d.number(3, 9), d.number(40, 90), d.pick((7, 11, 13))
    kind = d.number(0, 2)
    if kind == 0:
        said, real = f"multiples of {step}", f"n % {step} == {start % step}"
        test = lambda n: n % step == start % step  # noqa: E731
        other = lambda n: n % step == 0  # noqa: E731
    elif kind == 1:
        said, real = f"numbers whose square ends in {start}", f"n * n % {base} == {start * start % base}"
        test = lambda n: n * n % base == start * start % base  # noqa: E731
        other = lambda n: n * n % 10 == start  # noqa: E731
    else:
        said, real = "even digit sums", f"sum(map(int, str(n))) % {step} == 1"
        test = lambda n: sum(map(int, str(n))) % step == 1  # noqa: E731
        other = lambda n: sum(map(int, str(n))) % 2 == 0  # noqa: E731
    end, last = ("most", most) if d.chance() else ("most + 1", most + 1)
    adds = d.chance()
    lines = [
        f'"""Prints the {"sum" if adds else "number"} of the {said} up to {most}."""', "",
        f"start, most = {start}, {most}", "found = 0", f"for n in range(start, {end}):",
        f"    if {real}:  # {said}", f"        found += {'n' if adds else '1'}", "print(found)",
    ]  # fmt: skip

    def solve(skip):
        numbers = range(1, most + 1) if skip else range(start, last)
        chosen = [n for n in numbers if (other if skip else test)(n)]
        return exact(sum(chosen) if adds else len(chosen))

    question = d.say(
        "number",
        "What number does the script job.py print?",
        "Which number is printed when the attached script runs?",
        "What is the output of job.py?",
    )

    def oracle(call):
        call("read_file", name="job.py")
        return call("run_python", code='exec(open("job.py").read())').strip()

    return question, {"job.py": "\n".join(lines) + "\n"}, solve, oracle


@family(1, seen=True)
def members_list(d):
    cities, years = d.some(pools.CITIES, 3), d.some(range(2016, 2024), 3)
    here, year = cities[0], years[0]
    towns, joined = d.spread(cities, 21), d.spread(years, 21)
    rows = [
        {"id": 100 + n, "name": name, "joined": f"{joined[n]}-{d.number(1, 12):02d}", "city": towns[n]}
        for n, name in enumerate(d.names(21))
    ]
    dead = statuses(d, rows, 0.45)
    again = repeats(d, rows)

    def solve(skip):
        kept = counted(d, again, skip, "id")
        names = sorted(r["name"] for r in kept if r["city"] == here and r["joined"].startswith(str(year)))
        if not 2 <= len(names) <= 5 and not skip:
            raise Redraw("a list of an odd length")
        return ", ".join(names)

    lines = notes(d, dead, "member", "id")
    content = {"notes": lines, "members": again} if lines else again
    question = d.say(
        "abc",
        f"Which members from {here} joined in {year}{even_if(d, dead, 'members')}?",
        f"Who among the members from {here} joined in {year}{even_if(d, dead, 'members')}?",
    )
    check = """
found = json.loads(text("members.json"))
rows = once(live(found["members"] if isinstance(found, dict) else found, whole), "id")
print(", ".join(sorted(r["name"] for r in rows if r["city"] == here and r["joined"][:4] == year)))
"""
    return (
        question,
        {"members.json": as_json(content)},
        solve,
        program(d, check, "members.json", here=here, year=str(year), whole="status_all" in d.traps),
    )


@family(1, seen=True)
def price_pdf(d):
    items = d.some(pools.ITEMS, 9)
    here, price = items[0], {i: Fraction(d.number(40, 1900), 10) for i in items}
    fixed, tax = d.trap("correction", 0.45), d.trap("rule", 0.35)
    d.traps |= {"all"} if fixed or tax else set()
    after = dict(price)
    changed = [here, items[1]] if fixed else [items[1]]
    for item in changed:
        after[item] = Fraction(d.number(40, 1900), 10)
    first = ["PRICE LIST", "", f"{'item':<24}EUR", *(f"{i:<24}{float(price[i]):.2f}" for i in d.shuffled(items))]
    last = ["CORRECTIONS", "", *(f"{i:<24}{float(after[i]):.2f}" for i in d.shuffled(changed)), ""]
    last += ["Prices are net; VAT of 20 % is added."] if tax else ["Prices include VAT."]

    def solve(skip):
        value = (price if skip & {"correction", "all"} else after)[here]
        return exact(value * (Fraction(6, 5) if tax and not skip & {"rule", "all"} else 1))

    end = " including VAT" if tax else ""
    question = d.say(
        "number",
        f"What does the item {here} cost{end}, in EUR?",
        f"What is the price of the item {here}{end}, in EUR?",
        f"How many EUR does one pay for the item {here}{end}?",
    )
    check = """
price = {}
for name, value in re.findall(r"(?m)^([a-z][a-z ]*?) {2,}([0-9.]+) *$", SEEN["prices.pdf"]):
    price[name] = float(value)
show(price[here] * (1.2 if tax else 1), 2)
"""
    return question, {"prices.pdf": pdf([first, last])}, solve, program(d, check, "prices.pdf", here=here, tax=tax)


@family(1, seen=True)
def temperature(d):
    stations = d.some(pools.CITIES, 3)
    here, most = stations[0], d.chance()
    heat, gaps = d.trap("unit", 0.5), d.trap("blank", 0.4)
    column, low, high = ("temp_f", 20, 95) if heat else ("temp_c", -7, 35)
    month = d.number(1, 12)
    rows = [
        {"date": f"2024-{month:02d}-{day:02d}", "station": s, column: Fraction(d.number(low * 10, high * 10), 10)}
        for day in range(1, d.number(8, 12))
        for s in stations
    ]
    missing = d.pick((999, -999)) if gaps else 0
    if gaps:
        missing = 999 if most else -999
        for row in d.some([r for r in rows if r["station"] == here], 2) + d.some(rows, 2):
            row[column] = Fraction(missing)

    def solve(skip):
        values = [r[column] for r in rows if r["station"] == here and (r[column] != missing or "blank" in skip)]
        value = max(values) if most else min(values)
        return rounded((value - 32) * 5 / 9 if heat and "unit" not in skip else value, 1)

    more = [f"{missing} stands for a missing value."] if gaps and d.chance(0.6) else []
    shown = [{**r, column: float(r[column])} for r in rows]
    word, short = ("highest", "warmest") if most else ("lowest", "coldest")
    question = d.say(
        1,
        f"What was the {word} temperature at {here} in degrees Celsius?",
        f"How warm, in degrees Celsius, was the {short} reading at the station {here}?",
    )
    check = """
values = [float(r[column]) for r in table("weather.csv") if r["station"] == here and abs(float(r[column])) != 999]
value = max(values) if most else min(values)
show((value - 32) * 5 / 9 if column == "temp_f" else value, 1)
"""
    return (
        question,
        {"weather.csv": table(shown, notes(d, more=more))},
        solve,
        program(d, check, "weather.csv", here=here, column=column, most=most),
    )
