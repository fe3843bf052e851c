"""Level 1, families that only the test split has: the procedures of training in other documents."""

from __future__ import annotations

from fractions import Fraction
from xml.sax.saxutils import escape

import pools
from formats import sheet_rows, table, workbook
from oracle import program
from parts import Redraw, best, counted, even_if, exact, family, notes, paged, repeats, rounded, statuses


@family(1, seen=False)
def hours_worked(d):
    people = d.names(4)
    here, in_minutes = people[0], d.trap("unit", 0.5)
    rows = [
        {"entry": f"T{n}", "employee": name, "date": d.day(month=3)}
        for n, name in enumerate(d.spread(people, d.size(20, 28, 180)), d.number(100, 700))
    ]
    for row in rows:
        row["minutes" if in_minutes else "hours"] = d.number(35, 540) if in_minutes else d.number(2, 36) / 4
    dead = statuses(d, rows)
    rows = repeats(d, rows)

    def solve(skip):
        kept = [r for r in counted(d, rows, skip, "entry") if r["employee"] == here]
        values = [Fraction(r["minutes"], 1 if "unit" in skip else 60) if in_minutes else r["hours"] for r in kept]
        return rounded(sum(map(Fraction, values)), 2)

    question = d.say(
        2,
        f"How many hours did {here} work in total{even_if(d, dead, 'entries')}?",
        f"What is the total working time of {here}{even_if(d, dead, 'entries')}, in hours?",
    )
    check = """
rows = [r for r in once(live(table("timesheet.csv"), whole), "entry") if r["employee"] == here]
show(sum(float(r["minutes"]) / 60 if "minutes" in r else float(r["hours"]) for r in rows), 2)
"""
    text = paged(d, table(rows, notes(d, dead, "entry", "entry")), rows)
    return (
        question,
        {"timesheet.csv": text},
        solve,
        program(d, check, "timesheet.csv", here=here, whole="status_all" in d.traps),
    )


@family(1, seen=False)
def top_clubs(d):
    clubs, parts = d.shuffled(pools.CLUBS), {}
    rows = [{"club": club, "members": d.number(25, 480)} for club in clubs]
    dead = statuses(d, rows, 0.4)
    d.traps.add("all")
    parts = {"north": rows[:5], "south": rows[5:]}
    with_sums = d.trap("total", 0.4)
    sums = {name: ["Total", sum(r["members"] for r in lines)] for name, lines in parts.items()}

    def solve(skip):
        lines = parts["north"] if "all" in skip else rows
        scores = {r["club"]: r["members"] for r in counted(d, lines, skip)}
        if "total" in skip:
            scores |= {f"Total {name}": line[1] for name, line in sums.items()}
        return best(scores, 3)

    content = {name: sheet_rows(lines, [sums[name]] if with_sums else []) for name, lines in parts.items()}
    said = notes(d, dead, "club", "club")
    if said:
        content["notes"] = [[line] for line in said]
    question = d.say(
        "high",
        f"Which three clubs have the most members{even_if(d, dead, 'clubs')}?",
        f"What are the three largest clubs by members{even_if(d, dead, 'clubs')}?",
    )
    check = """
rows = [r for name, lines in book("clubs.xlsx").items() if name != "notes" for r in records(lines)]
rows = [r for r in live(rows, whole) if r["club"] != "Total"]
print(", ".join(r["club"] for r in sorted(rows, key=lambda r: -int(r["members"]))[:3]))
"""
    return (
        question,
        {"clubs.xlsx": workbook(content)},
        solve,
        program(d, check, "clubs.xlsx", whole="status_all" in d.traps),
    )


@family(1, seen=False)
def catalogue(d):
    nouns = ("Rivers", "Gardens", "Machines", "Winters", "Harbours", "Letters", "Maps", "Bells", "Roads", "Stars")
    rows = []
    for n in range(d.number(15, 20)):
        title = f"{d.pick(('The Book of', 'A History of', 'Notes on', 'Songs of'))} {d.pick(nouns)}"
        rows.append({"id": f"B{310 + n}", "year": d.number(1985, 2022), "copies": d.number(1, 9), "title": title})
    dead = statuses(d, rows, 0.4)
    rows = repeats(d, rows)
    year = d.number(1995, 2012)

    def solve(skip):
        kept = counted(d, rows, skip, "id")
        return exact(sum(r["copies"] for r in kept if r["year"] > year))

    if any(r["year"] == year for r in rows):  # "after" would be a matter of taste
        raise Redraw("a book of that very year")
    lines = [
        f'  <book id="{r["id"]}" year="{r["year"]}" copies="{r["copies"]}" status="{r["status"]}">'
        f"<title>{escape(r['title'])}</title></book>"
        for r in rows
    ]
    said = [f"  <note>{line}</note>" for line in notes(d, dead, "book")]
    question = d.say(
        "number",
        f"How many copies of books published after {year} does the library hold{even_if(d, dead, 'books')}?",
        f"What is the total number of copies of all books with a year after {year}{even_if(d, dead, 'books')}?",
    )
    check = """
rows = once(live([book.attrib for book in ET.fromstring(text("catalogue.xml")).iter("book")], whole), "id")
print(sum(int(r["copies"]) for r in rows if int(r["year"]) > year))
"""
    text = "\n".join(["<?xml version='1.0' encoding='UTF-8'?>", "<catalogue>", *said, *lines, "</catalogue>", ""])
    return (
        question,
        {"catalogue.xml": text},
        solve,
        program(d, check, "catalogue.xml", year=year, whole="status_all" in d.traps),
    )


@family(1, seen=False)
def invoice_due(d):
    items = d.some(pools.ITEMS, d.number(5, 8))
    rows = [{"item": item, "quantity": d.number(2, 40), "price": d.number(3, 95)} for item in items]
    dead = set(d.some(items[1:], 2)) if d.trap("status", 0.45) else set()
    fixed = items[0] if d.trap("correction", 0.55) else ""
    after = d.number(2, 40)
    sums = d.trap("total", 0.35)
    lines, running = [], 0
    for n, r in enumerate(rows, 1):
        amount = r["quantity"] * r["price"]
        mark = "   cancelled" if r["item"] in dead else ""
        running += amount
        lines.append(f"{n:<5}{r['item']:<20}{r['quantity']:>8}{r['price']:>8}{amount:>10}{mark}")
        if sums and n == len(rows) // 2:
            lines.append(f"{'Subtotal':<33}{'':>8}{running:>10}")

    def solve(skip):
        total = 0
        for r in rows:
            count = after if r["item"] == fixed and "correction" not in skip else r["quantity"]
            total += count * r["price"] if r["item"] not in dead or "status" in skip else 0
        if sums and "total" in skip:
            total += sum(r["quantity"] * r["price"] for r in rows[: len(rows) // 2])
        return exact(total)

    later = [f"Correction: the quantity of the item {fixed} is {after}."] if fixed else []
    text = [f"INVOICE of {d.pick(pools.FIRMS)}", "", f"{'pos':<5}{'item':<20}{'quantity':>8}{'price':>8}{'amount':>10}",
            *lines, "", "All prices in EUR.", *later]  # fmt: skip
    question = d.say(
        "number",
        "What is the total amount of the invoice, in EUR?",
        "How many EUR does the invoice come to in total?",
    )
    check = """
said, total = text("invoice.txt"), 0
late = re.search(r"quantity of the item (.+) is (\\d+)", said)
for item, quantity, price, mark in re.findall(r"(?m)^\\d+ +([a-z ]+?) +(\\d+) +(\\d+) +\\d+( *\\w*)$", said):
    count = late[2] if late and late[1] == item else quantity
    total += 0 if mark.strip() else int(count) * int(price)
print(total)
"""
    return question, {"invoice.txt": "\n".join(text) + "\n"}, solve, program(d, check, "invoice.txt")


@family(1, seen=False)
def survey_share(d):
    groups = d.some(("students", "teachers", "parents", "visitors", "neighbours"), 3)
    here = groups[0]
    rows = [
        {"response_id": f"R{n}", "group": group, "answer": d.pick(("yes", "yes", "no", "no", "no"))}
        for n, group in enumerate(d.spread(groups, d.size(33, 42, 270)), d.number(200, 900))
    ]
    if d.trap("blank", 0.45):
        for row in d.some(rows, 7):
            row["answer"] = d.pick(("", "n/a"))
    dead = statuses(d, rows, 0.4)
    rows = repeats(d, rows)

    def solve(skip):
        kept = [r["answer"] for r in counted(d, rows, skip, "response_id") if r["group"] == here]
        kept = [a for a in kept if a in ("yes", "no") or "blank" in skip]
        return rounded(Fraction(100 * kept.count("yes"), len(kept)), 1)

    more = ["Shares are of those who gave an answer."] if "blank" in d.traps else []
    question = d.say(
        1,
        f"What percentage of the {here} answered yes{even_if(d, dead, 'responses')}?",
        f"Of the {here}, how many per cent answered yes{even_if(d, dead, 'responses')}?",
    )
    check = """
rows = once(live(table("survey.csv"), whole), "response_id")
said = [r["answer"] for r in rows if r["group"] == here and r["answer"] in ("yes", "no")]
show(100 * said.count("yes") / len(said), 1)
"""
    text = paged(d, table(rows, notes(d, dead, "response", "response_id", more)), rows)
    oracle = program(d, check, "survey.csv", here=here, whole="status_all" in d.traps)
    return question, {"survey.csv": text}, solve, oracle
