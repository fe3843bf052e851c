// The face of fgo_kit.widgets.browser. All text goes through textContent; nothing is ever parsed as HTML.

const FILTERS = [
  ["run", "run"], ["benchmark", "benchmark"], ["phase", "phase"], ["subset", "subset or merge"], ["epoch", "epoch"],
  ["outcome", "outcome"], ["change", "against first"], ["type", "type"], ["rule", "rule cited or supported"],
];
const MARKS = { right: "✓", wrong: "✗", failed: "!" };
let serial = 0;

function make(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") node.textContent = value;
    else if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

const words = (text, cls) => make("bdi", { class: cls, text });

function badge(line) {
  const node = make("span", { class: `fgo-badge fgo-${line.outcome}` });
  node.append(make("span", { "aria-hidden": "true", text: MARKS[line.outcome] }), ` ${line.outcome}`);
  if (line.change) node.append(make("i", { text: ` (${line.change})` }));
  return node;
}

// -- filters

function filters(model, ask) {
  const bar = make("div", { class: "fgo-filters", role: "search", "aria-label": "filter trajectories" });
  const search = make("input", {
    type: "search", class: "fgo-search", placeholder: "words in task, steps, answer or feedback",
    "aria-label": "words to find", autocomplete: "off", spellcheck: "false",
  });
  let timer;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => ask({ text: search.value }), 50);
  });
  bar.append(make("label", { class: "fgo-field fgo-wide" }, make("span", { text: "find" }), search));
  const facets = model.get("facets");
  const selects = {};
  for (const [name, label] of FILTERS) {
    if (!facets[name]) continue;
    const select = make("select", { class: `fgo-filter-${name}` }, make("option", { value: "", text: "all" }));
    let group = select, last = "";
    for (const [heading, value, text] of facets[name]) {
      if (heading !== last) {
        group = heading ? make("optgroup", { label: heading }) : select;
        if (heading) select.append(group);
        last = heading;
      }
      group.append(make("option", { value, text }));
    }
    select.addEventListener("change", () => ask({ [name]: select.value }));
    selects[name] = select;
    bar.append(make("label", { class: "fgo-field" }, make("span", { text: label }), select));
  }
  const clear = make("button", { type: "button", class: "fgo-clear", text: "clear", title: "show all trajectories" });
  clear.addEventListener("click", () => ask(null));
  bar.append(clear);
  const show = () => {
    const query = model.get("query");
    if (document.activeElement !== search) search.value = query.text || "";
    for (const [name, select] of Object.entries(selects)) {
      select.value = query[name] || "";
      select.classList.toggle("fgo-set", Boolean(query[name]));
    }
  };
  return [bar, show];
}

// -- the list

function list(model, ask, open) {
  const columns = ["task", "where", "outcome", "answer", "expected", "cited"];
  if (model.get("sizes").runs > 1) columns.splice(1, 0, "run");
  const heads = {};
  const head = make("tr");
  for (const name of columns) {
    const arrow = make("span", { class: "fgo-arrow", "aria-hidden": "true" });
    const button = make("button", { type: "button", class: "fgo-sort" }, name, arrow);
    button.addEventListener("click", () => {
      const query = model.get("query");
      if (query.sort !== name) ask({ sort: name, down: false });
      else if (!query.down) ask({ down: true });
      else ask({ sort: "", down: false });
    });
    heads[name] = make("th", { scope: "col" }, button);
    head.append(heads[name]);
  }
  const body = make("tbody");
  const table = make("table", { "aria-label": "trajectories" }, make("thead", {}, head), body);
  const scroll = make("div", { class: "fgo-scroll" }, table);
  const status = make("span", { class: "fgo-status", role: "status", "aria-live": "polite" });
  const turn = (by) => ask({ page: model.get("page").page + by }, true);
  const back = make("button", { type: "button", text: "‹ back", "aria-label": "page before", on: { click: () => turn(-1) } });
  const next = make("button", { type: "button", text: "next ›", "aria-label": "page after", on: { click: () => turn(1) } });
  const where = make("span", { class: "fgo-page" });
  const pager = make("div", { class: "fgo-pager" }, status, back, where, next);

  body.addEventListener("keydown", (event) => {
    const rows = [...body.querySelectorAll("button")];
    const at = rows.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to !== undefined) {
      const row = rows[Math.min(Math.max(to, 0), rows.length - 1)];
      if (row) row.focus();
    } else if (event.key === "PageDown" && !next.disabled) turn(1);
    else if (event.key === "PageUp" && !back.disabled) turn(-1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const show = () => {
    const page = model.get("page"), query = model.get("query");
    const inside = body.contains(document.activeElement);
    const rows = page.rows.map((line) => {
      const opener = make("button", { type: "button", class: "fgo-open", "data-i": line.i }, words(line.task));
      const row = make("tr", { "data-i": line.i, on: { click: () => open(line.i) } });
      for (const name of columns) {
        const cell = name === "task" ? opener : name === "outcome" ? badge(line) : words(line[name]);
        row.append(make("td", { class: `fgo-${name}`, title: name === "outcome" || name === "where" ? null : line[name] }, cell));
      }
      return row;
    });
    body.replaceChildren(...rows);
    if (!rows.length) {
      const none = make("td", { colspan: columns.length, class: "fgo-none", text: "no trajectory fits these filters" });
      body.append(make("tr", {}, none));
    }
    for (const name of columns) {
      const way = query.sort === name ? (query.down ? "descending" : "ascending") : "none";
      heads[name].setAttribute("aria-sort", way);
      heads[name].querySelector(".fgo-arrow").textContent = { ascending: " ▲", descending: " ▼", none: "" }[way];
    }
    const all = model.get("sizes").trajectories.toLocaleString("en");
    status.textContent = `${page.total.toLocaleString("en")} of ${all} trajectories`;
    where.textContent = `page ${page.page + 1} of ${page.pages}`;
    back.disabled = page.page === 0;
    next.disabled = page.page + 1 >= page.pages;
    scroll.scrollTop = 0;
    if (inside) body.querySelector("button")?.focus();
    mark();
  };
  const mark = () => {
    const chosen = model.get("chosen");
    for (const row of body.rows) {
      const at = chosen.indexOf(Number(row.dataset.i ?? -1));
      row.classList.toggle("fgo-chosen", at === 0);
      row.querySelector("button")?.setAttribute("aria-expanded", String(at === 0));
    }
  };
  return [[scroll, pager], show, mark];
}

// -- an open trajectory

function folded(summary, open, ...content) {
  return make("details", { open }, make("summary", {}, ...summary), ...content);
}

function panel(detail, title) {
  const said = (label, text) => make("div", {}, make("dt", { text: label }), make("dd", {}, words(text)));
  const facts = make("dl", { class: "fgo-facts" }, said("answer", detail.answer), said("expected", detail.expected));
  if (detail.outcome === "failed") facts.append(said("status", detail.status));
  else facts.append(said("score", detail.score));
  for (const [key, value] of detail.meta) facts.append(said(key, value));
  const steps = detail.steps.map((step, n) => folded(
    [make("b", { text: `step ${n + 1} ` }), words(step.brief)], detail.steps.length === 1,
    make("div", { class: "fgo-label", text: "saw" }), make("pre", { dir: "auto", text: step.saw }),
    make("div", { class: "fgo-label", text: "wrote" }), make("pre", { dir: "auto", text: step.did }),
  ));
  const cited = detail.rules.filter((rule) => rule.cited).length;
  const rules = make("ul", { class: "fgo-rules" }, ...detail.rules.map((rule) => {
    const item = make("li", { class: rule.cited ? "fgo-cited" : "" }, make("code", { text: rule.id }), " ", words(rule.text));
    if (rule.cited) item.append(make("b", { text: " cited" }));
    return item;
  }));
  const note = make("p", { class: "fgo-note", text: detail.rules_note });
  const section = make("section", { class: "fgo-panel", "aria-label": `${title}: ${detail.task}, ${detail.where}` },
    make("div", { class: "fgo-title", text: title }),
    make("h4", {}, words(detail.task), " ", badge(detail)),
    make("p", { class: "fgo-note" }, words(`${detail.run} · ${detail.where}`)), facts);
  if (detail.feedback) section.append(make("div", { class: "fgo-label", text: "feedback" }), make("blockquote", { dir: "auto", text: detail.feedback }));
  section.append(
    folded([make("b", { text: `${detail.rules.length} rule${detail.rules.length === 1 ? "" : "s"} in force, ${cited} cited` })], detail.rules.length < 13 && cited > 0, note, rules),
    ...steps);
  return section;
}

function opened(model, open) {
  const root = make("div", { class: "fgo-details", tabindex: "-1" });
  const show = () => {
    const details = model.get("details");
    if (!details.length) return root.replaceChildren();
    const [main, beside] = details;
    const pick = make("select", { class: "fgo-beside", "aria-label": "set another trajectory of this task beside it" },
      make("option", { value: "", text: main.others.length ? "nothing" : "there is no other" }),
      ...main.others.map((line) => make("option", { value: line.i, text: `${line.run} · ${line.where} · ${line.outcome}` })));
    pick.value = beside ? String(beside.i) : "";
    pick.disabled = !main.others.length;
    pick.addEventListener("change", () => open(main.i, pick.value === "" ? null : Number(pick.value)));
    const field = make("label", { class: "fgo-field" }, make("span", { text: "beside it" }), pick);
    const close = make("button", { type: "button", class: "fgo-close", text: "close", title: "close (Escape)", on: { click: () => open(null) } });
    const cut = details.reduce((sum, detail) => sum + detail.cut, 0);
    const bar = make("div", { class: "fgo-pager" }, field);
    if (cut) {
      const more = make("button", { type: "button", class: "fgo-more", text: "show more" });
      more.addEventListener("click", () => { model.set("limit", model.get("limit") * 10); model.save_changes(); });
      bar.append(make("span", { class: "fgo-status", text: `${cut.toLocaleString("en")} characters are not shown` }), more);
    }
    bar.append(close);
    const panels = beside
      ? [main, beside].sort((a, b) => a.i - b.i).map((detail, n) => panel(detail, n ? "after" : "before"))
      : [panel(main, "trajectory")];
    root.replaceChildren(bar, make("div", { class: `fgo-panels fgo-${panels.length}` }, ...panels));
  };
  return [root, show];
}

function render({ model, el }) {
  const id = `fgo-browser-${++serial}`;
  const root = make("div", { class: "fgo-browser", id, role: "region", "aria-label": "trajectory browser" });
  // Jupyter matches its keys (x cuts the cell) from the focused element on, so that one must carry the mark
  root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
  const ask = (change, keepPage) => {
    const query = change === null ? {} : { ...model.get("query"), ...change };
    if (!keepPage) query.page = 0;
    model.set("query", query);
    model.save_changes();
  };
  let start = null;
  const open = (number, beside) => {
    if (number === null) { start?.focus(); model.set("chosen", []); return model.save_changes(); }
    const first = model.get("page").rows.find((line) => line.i === number);
    const pair = beside === undefined ? first && first.first !== number ? first.first : null : beside;
    start = document.activeElement;
    model.set("chosen", pair === null || pair === undefined ? [number] : [number, pair]);
    model.save_changes();
  };
  const [bar, showFilters] = filters(model, ask);
  const [parts, showList, mark] = list(model, ask, open);
  const [details, showDetails] = opened(model, open);
  root.append(bar, ...parts, details);
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && model.get("chosen").length) { open(null); event.stopPropagation(); }
  });
  model.on("change:query", showFilters);
  model.on("change:page", showList);
  model.on("change:chosen", mark);
  model.on("change:details", showDetails);
  showFilters(); showList(); showDetails();
  el.append(root);
  return () => {
    model.off("change:query", showFilters); model.off("change:page", showList);
    model.off("change:chosen", mark); model.off("change:details", showDetails);
  };
}

export default { render };
