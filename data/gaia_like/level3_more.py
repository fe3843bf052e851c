"""Level 3, the other families that training has: archives with lists to join, and mini-webs."""

from __future__ import annotations

import re

import pools
from formats import archive, as_json, table, workbook
from oracle import program, read_all
from parts import (
    Redraw,
    best,
    counted,
    even_if,
    exact,
    family,
    mangled,
    notes,
    paged,
    plain_key,
    repeats,
    statuses,
    totals,
)


@family(3, seen=True)
def library_loans(d):
    cities, branches = d.some(pools.CITIES, 3), d.some(("Central", "Harbour", "Hillside", "Market", "Station"), 4)
    here, codes = cities[0], [f"B{n}" for n in d.some(range(1, 9), 4)]
    name = dict(zip(codes, branches, strict=True))
    d.traps.add("legend")
    loose = d.trap("key", 0.45)
    keys = [f"M-{n:03d}" for n in d.some(range(10, 400), 12)]
    town = dict(zip(keys, d.spread(cities, 12), strict=True))
    rows = [
        {"loan_id": n, "member": mangled(d, k) if loose and d.chance(0.4) else k, "branch": d.pick(codes),
         "books": d.number(1, 9)}
        for n, k in enumerate(d.spread(keys, d.size(26, 34, 280)), d.number(1000, 8000))
    ]  # fmt: skip
    dead = statuses(d, rows, 0.35)
    rows = repeats(d, rows)
    plain = {plain_key(k): v for k, v in town.items()}

    def solve(skip):
        kept = []
        for r in counted(d, rows, skip, "loan_id"):
            found = town.get(r["member"]) if "key" in skip else plain[plain_key(r["member"])]
            kept += [r] if found == here else []
        code = best(totals(kept, "branch", lambda r: r["books"]))
        return code if "legend" in skip else name[code]

    legend = [["code", "branch"], *([c, name[c]] for c in codes)]
    people = [{"id": k, "name": n, "city": town[k]} for k, n in zip(keys, d.names(12), strict=True)]
    said = notes(d, dead, "loan", "loan_id")
    files = {"loans.csv": paged(d, table(rows), rows), "members.json": as_json(people),
             "branches.xlsx": workbook({"branches": legend, "notes": [[line] for line in said or ["Opened in 1998."]]}),
             "loans_template.csv": "loan_id,member,branch,books,status\n"}  # fmt: skip
    question = d.say(
        "name",
        f"Over all loans{even_if(d, dead, 'loans')}, which branch lent the most books to members from {here}?",
        f"From which branch did members from {here} borrow the most books{even_if(d, dead, 'loans')}?",
    )
    check = """
town = {plain(m["id"]): m["city"] for m in json.loads(text("library.zip/members.json"))}
names = dict(row[:2] for row in book("library.zip/branches.xlsx")["branches"][1:])
sums = Counter()
for r in once(live(table("library.zip/loans.csv"), whole), "loan_id"):
    if town[plain(r["member"])] == here:
        sums[r["branch"]] += int(r["books"])
print(names[sums.most_common(1)[0][0]])
"""
    return (
        question,
        {"library.zip": archive(files)},
        solve,
        program(d, check, "library.zip", "library.zip/branches.xlsx", here=here, whole="status_all" in d.traps),
    )


@family(3, seen=True)
def election(d):
    codes, precincts = list(pools.PARTIES), d.some(pools.CITIES, d.number(3, 4))
    d.traps.add("legend")
    votes = {p: {c: d.number(60, 900) for c in d.shuffled(codes)} for p in precincts}
    fixed = d.trap("correction", 0.5)
    place, code, after = d.pick(precincts), d.pick(codes), d.number(900, 1900)
    total, last = d.trap("total", 0.35), d.trap("status", 0.35)
    void = d.pick([p for p in precincts if p != place]) if last else ""

    def solve(skip):
        sums = dict.fromkeys(codes, 0)
        for p, found in votes.items():
            if p != void or "status" in skip:
                for c, n in found.items():
                    sums[c] += after if (p, c) == (place, code) and fixed and "correction" not in skip else n
        if "total" in skip:
            sums["Total"] = sum(sums.values())
        order = best(sums, 3).split(", ")
        return ", ".join(order if "legend" in skip else [pools.PARTIES.get(c, c) for c in order])

    files = {}
    for n, (p, found) in enumerate(votes.items(), 1):
        rows = [{"party": c, "votes": v} for c, v in found.items()]
        state = "annulled" if p == void else "final"
        files[f"precinct_{n}.csv"] = table(
            rows, [f"Precinct {p}, result {state}"], tail=[["Total", sum(found.values())]] if total else []
        )
    said = [f"Correction: in the precinct {place} the party {code} has {after} votes."] if fixed else ["None so far."]
    files["corrections.txt"] = "\n".join(["Corrections", "", *said]) + "\n"
    legend = ["# Parties", "", "| code | party |", "|---|---|", *(f"| {c} | {n} |" for c, n in pools.PARTIES.items())]
    more = ["", "Annulled results do not count."] if last and d.chance(0.6) else []
    files["parties.md"] = "\n".join(legend + more) + "\n"
    question = d.say(
        "high",
        "Which three parties got the most votes in all precincts together?",
        "What are the three parties with the most votes over all precincts?",
    )
    check = """
names = dict(re.findall(r"\\| ([A-Z]+) \\| (.+?) \\|", text("votes.zip/parties.md")))
late = re.search(r"precinct (.+) the party (\\w+) has (\\d+)", text("votes.zip/corrections.txt"))
sums = Counter()
for name in zipfile.ZipFile("votes.zip").namelist():
    if name.startswith("precinct"):
        place, state = re.match(r"# Precinct (.+), result (\\w+)", text("votes.zip/" + name)).groups()
        for r in table("votes.zip/" + name) if state != "annulled" else ():
            if r["party"] in names:
                fixed = late and late.groups()[:2] == (place, r["party"])
                sums[r["party"]] += int(late[3] if fixed else r["votes"])
print(", ".join(names[c] for c, _ in sums.most_common(3)))
"""
    return (
        question,
        {"votes.zip": archive(files)},
        solve,
        program(d, check, "votes.zip", "votes.zip/parties.md", "votes.zip/corrections.txt"),
    )


@family(3, seen=True)
def race_results(d):
    clubs, people = d.some(pools.CLUBS, 3), d.names(16)
    here, loose = clubs[0], d.trap("key", 0.45)
    bibs = [f"N-{n:03d}" for n in d.some(range(1, 300), 16)]
    runners = [{"bib": b, "name": p, "club": c} for b, p, c in zip(bibs, people, d.spread(clubs, 16), strict=True)]
    rows = [{"bib": mangled(d, b) if loose and d.chance(0.5) else b, "seconds": d.number(2100, 3900)} for b in bibs]
    dead = statuses(d, rows, 0.4)
    own = [r["bib"] for r in runners if r["club"] == here]
    late = {b: d.number(60, 900) for b in d.some(own, 2)} if d.trap("correction", 0.45) else {}
    late |= {b: d.number(60, 300) for b in d.some([b for b in bibs if b not in own], 1)}
    rows = d.shuffled(rows)

    def solve(skip):
        match = (lambda k: k) if "key" in skip else plain_key
        time = {match(r["bib"]): r["seconds"] for r in counted(d, rows, skip)}
        scores = {}
        for r in runners:
            if r["club"] == here and match(r["bib"]) in time:
                scores[r["name"]] = time[match(r["bib"])] + (0 if "correction" in skip else late.get(r["bib"], 0))
        return best(scores, 3, reverse=False)

    lines = ["Time penalties", "", *(f"{b}: {n} seconds are added" for b, n in late.items())]
    files = {"results.csv": table(rows, notes(d, dead, "result")), "runners.json": as_json(runners),
             "penalties.txt": "\n".join(lines) + "\n",
             "results_2022.csv": table([{**r, "seconds": d.number(2100, 3900)} for r in d.some(rows, 8)])}  # fmt: skip
    question = (
        d.pick((f"Who were the three fastest runners of the club {here}{even_if(d, dead, 'results')}?",
                f"Which three runners of the club {here} had the shortest times{even_if(d, dead, 'results')}?"))
        + " Penalties included. Give the names, separated by commas, from fastest to slowest."
    )  # fmt: skip
    check = """
time = {plain(r["bib"]): int(r["seconds"]) for r in live(table("race.zip/results.csv"), whole)}
for bib, more in re.findall(r"([\\w-]+): (\\d+) seconds", text("race.zip/penalties.txt")):
    if plain(bib) in time:
        time[plain(bib)] += int(more)
rows = [r for r in json.loads(text("race.zip/runners.json")) if r["club"] == here and plain(r["bib"]) in time]
print(", ".join(r["name"] for r in sorted(rows, key=lambda r: time[plain(r["bib"])])[:3]))
"""
    return (
        question,
        {"race.zip": archive(files)},
        solve,
        program(d, check, "race.zip", "race.zip/penalties.txt", here=here, whole="status_all" in d.traps),
    )


@family(3, seen=True)
def web_population(d):
    towns = d.some(pools.CITIES, 6)
    a, b = towns[:2]
    d.traps.add("newest")
    mode = d.trap("draft", 0.3)
    census = {t: (d.number(20, 90) * 100 + d.number(1, 99), d.number(20, 90) * 100 + d.number(1, 99)) for t in towns}
    guess = {t: d.number(2000, 9900) for t in towns}
    pages = {}
    for town in towns:
        old, new = census[town]
        lines = [f"# {town}", "", f"{town} is a town on the {d.pick(pools.ROUTES)} road.",
                 f"At the census of 2011 the town had {old} inhabitants."]  # fmt: skip
        pages[f"{town.lower()}.md"] = "\n".join(lines) + "\n"
    listed = [f"| {t} | {census[t][1]} |" for t in d.shuffled(towns)]
    pages["census-2021.md"] = "\n".join(
        ["# Census of 2021, results", "", "| town | inhabitants |", "|---|---|", *listed, ""]
    )
    if mode:
        listed = [f"| {t} | {guess[t]} |" for t in towns]
        head = ["# Census of 2024, preliminary", "", "Draft, not approved: the figures may not be used.", "",
                "| town | inhabitants |", "|---|---|"]  # fmt: skip
        pages["census-2024.md"] = "\n".join([*head, *listed, ""])
    pages["census-method.md"] = "# How the census counts\n\nEvery tenth year all inhabitants are counted on one day.\n"

    def solve(skip):
        at = {t: guess[t] if "draft" in skip else census[t][0 if "newest" in skip else 1] for t in towns}
        return exact(at[a] - at[b])

    if census[a][1] <= census[b][1]:
        raise Redraw("more must be more")
    question = d.say(
        "number",
        f"According to the newest census, how many more inhabitants does {a} have than {b}?",
        f"By how many inhabitants is {a} larger than {b} according to the newest valid census?",
    )

    def oracle(call):
        found = call("search", query="census results inhabitants")
        names = re.findall(r"census-20\d\d\.md", found)
        texts = [read_all(call, name, "open_page") for name in sorted(set(names), reverse=True)]
        text = next(t for t in texts if "Draft" not in t)
        size = dict(re.findall(r"\| ([^|]+?) \| (\d+) \|", text))
        return call("calculator", expression=f"{size[a]} - {size[b]}").strip()

    return question, {"web.zip": archive({f"pages/{n}": t for n, t in pages.items()})}, solve, oracle


@family(3, seen=True)
def web_chain(d):
    museums, people, towns = d.some(pools.MUSEUMS, 4), d.names(4), d.some(pools.CITIES, 4)
    rights = {t: d.number(1180, 1690) for t in towns}
    fixed = d.trap("correction", 0.45)
    after, d_museum = d.number(1180, 1690), museums[0]
    d.traps.add("all")
    pages = {"index.md": "# Museums of the region\n\n" + "".join(f"- [{m}]({_slug(m)}.md)\n" for m in museums)}
    homes = d.shuffled(towns)
    for m, p, t, home in zip(museums, people, towns, homes, strict=True):
        pages[f"{_slug(m)}.md"] = (
            f"# {m}\n\nThe {m} stands in {home} since {d.number(1880, 1990)}. It was founded by [{p}]({_slug(p)}.md).\n"
        )
        pages[f"{_slug(p)}.md"] = f"# {p}\n\n{p} was born in [{t}]({_slug(t)}.md) and later moved to {home}.\n"
    for t in towns:
        pages[f"{_slug(t)}.md"] = (
            f"# {t}\n\nFirst mentioned in {rights[t] - d.number(30, 200)}, {t} was granted town rights in "
            f"{rights[t]}.\n"
        )
    birthplace = towns[0]
    said = f"Correction: {birthplace} was granted town rights in {after}." if fixed else "No corrections this month."
    pages["corrections.md"] = f"# Corrections\n\n{said}\n"

    def solve(skip):
        place = homes[0] if "all" in skip else birthplace  # who stops early takes the museum's town
        return exact(after if fixed and "correction" not in skip and place == birthplace else rights[place])

    if homes[0] == birthplace or len(set(rights.values())) < 4:
        raise Redraw("no chain to follow")
    question = d.say(
        "number",
        f"In which year was the birthplace of the founder of the {d_museum} granted town rights?",
        f"When was the town in which the founder of the {d_museum} was born granted town rights? Give the year.",
    )

    def oracle(call):
        call("search", query=d_museum)
        founder = re.search(r"founded by \[.+?\]\((.+?)\)", call("open_page", name=f"{_slug(d_museum)}.md"))[1]
        town = re.search(r"born in \[(.+?)\]\((.+?)\)", call("open_page", name=founder))
        year = re.search(r"town rights in (\d+)", call("open_page", name=town[2]))[1]
        call("search", query="corrections")
        late = re.search(rf"{town[1]} was granted town rights in (\d+)", call("open_page", name="corrections.md"))
        return late[1] if late else year

    return question, {"web.zip": archive({f"pages/{n}": t for n, t in pages.items()})}, solve, oracle


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")
