// The face of fgo_kit.widgets.browser; trajectory.js is put before it.

const FILTERS = [
  ["run", "run"], ["benchmark", "benchmark"], ["phase", "phase"], ["subset", "subset or merge"], ["epoch", "epoch"],
  ["outcome", "outcome"], ["change", "against first"], ["type", "type"], ["rule", "rule cited or supported"],
];
let serial = 0;

// -- filters

function filters(model, ask) {
  const bar = h("div", { class: "fgo-filters", role: "search", "aria-label": "filter trajectories" });
  const search = h("input", {
    type: "search", class: "fgo-search", placeholder: "words in task, steps, answer or feedback",
    "aria-label": "words to find", autocomplete: "off", spellcheck: "false",
  });
  let timer;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => ask({ text: search.value }), 50);
  });
  bar.append(h("label", { class: "fgo-field fgo-wide" }, h("span", { text: "find" }), search));
  const facets = model.get("facets");
  const selects = {};
  for (const [name, label] of FILTERS) {
    if (!facets[name]) continue;
    const select = h("select", { class: `fgo-filter-${name}` }, h("option", { value: "", text: "all" }));
    let group = select, last = "";
    for (const [heading, value, text] of facets[name]) {
      if (heading !== last) {
        group = heading ? h("optgroup", { label: heading }) : select;
        if (heading) select.append(group);
        last = heading;
      }
      group.append(h("option", { value, text }));
    }
    select.addEventListener("change", () => ask({ [name]: select.value }));
    selects[name] = select;
    bar.append(h("label", { class: "fgo-field" }, h("span", { text: label }), select));
  }
  const clear = h("button", { type: "button", class: "fgo-clear", text: "clear", title: "show all trajectories" });
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
  const head = h("tr");
  for (const name of columns) {
    const arrow = h("span", { class: "fgo-arrow", "aria-hidden": "true" });
    const button = h("button", { type: "button", class: "fgo-sort" }, name, arrow);
    button.addEventListener("click", () => {
      const query = model.get("query");
      if (query.sort !== name) ask({ sort: name, down: false });
      else if (!query.down) ask({ down: true });
      else ask({ sort: "", down: false });
    });
    heads[name] = h("th", { scope: "col" }, button);
    head.append(heads[name]);
  }
  const body = h("tbody");
  const table = h("table", { "aria-label": "trajectories" }, h("thead", {}, head), body);
  const scroll = h("div", { class: "fgo-scroll" }, table);
  const status = h("span", { class: "fgo-status", role: "status", "aria-live": "polite" });
  const turn = (by) => ask({ page: model.get("page").page + by }, true);
  const back = h("button", { type: "button", text: "‹ back", "aria-label": "page before", onclick: () => turn(-1) });
  const next = h("button", { type: "button", text: "next ›", "aria-label": "page after", onclick: () => turn(1) });
  const where = h("span", { class: "fgo-page" });
  const pager = h("div", { class: "fgo-pager" }, status, back, where, next);

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
      const opener = h("button", { type: "button", class: "fgo-open", "data-i": line.i }, bdi(line.task));
      const row = h("tr", { "data-i": line.i, onclick: () => open(line.i) });
      for (const name of columns) {
        const cell = name === "task" ? opener : name === "outcome" ? badge(line) : bdi(line[name]);
        row.append(h("td", { class: `fgo-${name}`, title: name === "outcome" || name === "where" ? null : line[name] }, cell));
      }
      return row;
    });
    body.replaceChildren(...rows);
    if (!rows.length) {
      const none = h("td", { colspan: columns.length, class: "fgo-none", text: "no trajectory fits these filters" });
      body.append(h("tr", {}, none));
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

function opened(model, open) {
  const root = h("div", { class: "fgo-details", tabindex: "-1" });
  const show = () => {
    const details = model.get("details");
    if (!details.length) return root.replaceChildren();
    const [main, beside] = details;
    const pick = h("select", { class: "fgo-beside", "aria-label": "another trajectory of this task to compare with" },
      h("option", { value: "", text: main.others.length ? "nothing" : "there is no other" }),
      ...main.others.map((line) => h("option", { value: line.i, text: `${line.run} · ${line.where} · ${line.outcome}` })));
    pick.value = beside ? String(beside.i) : "";
    pick.disabled = !main.others.length;
    pick.addEventListener("change", () => open(main.i, pick.value === "" ? null : Number(pick.value)));
    const field = h("label", { class: "fgo-field" }, h("span", { text: "compare with" }), pick);
    const close = h("button", { type: "button", class: "fgo-close", text: "close", title: "close (Escape)", onclick: () => open(null) });
    const cut = details.reduce((sum, detail) => sum + detail.cut, 0);
    const bar = h("div", { class: "fgo-pager" }, field);
    if (cut) {
      const more = h("button", { type: "button", class: "fgo-more", text: "show more" });
      more.addEventListener("click", () => { model.set("limit", model.get("limit") * 10); model.save_changes(); });
      bar.append(h("span", { class: "fgo-status", text: `${cut.toLocaleString("en")} characters are not shown` }), more);
    }
    bar.append(close);
    const panels = beside
      ? [main, beside].sort((a, b) => a.i - b.i).map((detail, n) => panel(detail, n ? "after" : "before"))
      : [panel(main, "trajectory")];
    root.replaceChildren(bar, h("div", { class: `fgo-panels fgo-${panels.length}` }, ...panels));
  };
  return [root, show];
}

function render({ model, el }) {
  const id = `fgo-browser-${++serial}`;
  const root = h("div", { class: "fgo-browser", id, role: "region", "aria-label": "trajectory browser" });
  keepKeys(root);
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
  showFilters(); showList(); showDetails();
  el.append(root);
  return listen(model, {
    "change:query": showFilters, "change:page": showList, "change:chosen": mark, "change:details": showDetails,
  });
}

export default { render };
