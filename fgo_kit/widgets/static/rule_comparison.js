// The face of fgo_kit.widgets.rule_comparison; trajectory.js is put before it. Styles are those of the browser.

function render({ model, el }) {
  const root = h("div", { class: "fgo-browser fgo-comparison", role: "region", "aria-label": "comparison of two runs' rules" });
  keepKeys(root);
  const view = model.get("shown"), letters = ["A", "B"];
  const detail = h("section", { class: "fgo-details", role: "region", "aria-live": "polite", "aria-label": "what was chosen", tabindex: "-1" });
  let start = null;
  const tasksOf = (numbers) => view.tasks.filter((task) => numbers.includes(task.i));

  const item = (kind, key, onclick, ...content) => h("li", {}, h("button", {
    type: "button", class: `fgo-item fgo-${kind}-item`, "data-key": `${kind}${key}`, "aria-expanded": "false", onclick,
  }, ...content));
  const ruleItem = (each, n) => item("rule", n, () => openRule(n),
    h("code", {}, each.id), " ", words(each), h("i", {}, each.nearest ? ` (nearest in ${letters[1 - each.side]}: ${each.nearest})` : ""),
    each.flipped.length > 0 && h("span", { class: "fgo-note" }, ` ${each.flipped.length} flipped`));
  const taskItem = (task) => item("task", task.i, () => openTask(task.i),
    bdi(task.task), h("span", { class: "fgo-note" }, " A: ", bdi(task.answers[0]), " · B: ", bdi(task.answers[1]), " · expected: ", bdi(task.expected)));
  const words = (each) => h("bdi", { dir: "auto" }, each.diff.map(([op, part]) => op === "=" ? part : h(op === "-" ? "del" : "ins", {}, part)));

  function column(side) {
    const [rules, tasks] = view.counts[side], letter = letters[side];
    const listed = (items, none) => items.length ? h("ul", { class: "fgo-items" }, items) : h("p", { class: "fgo-note", text: none });
    const own = view.rules.map((each, n) => each.side === side && ruleItem(each, n)).filter(Boolean);
    const right = view.tasks.filter((task) => task.side === side).map(taskItem);
    const left = (all, here) => all > here ? h("p", { class: "fgo-note", text: `and ${all - here} more` }) : null;
    return h("section", { class: "fgo-panel", "aria-label": view.titles[side] }, h("h4", {}, bdi(view.titles[side])),
      h("h5", { text: `${rules} rules only in ${letter}` }), listed(own, "none"), left(rules, own.length),
      h("h5", { text: `${tasks} test tasks right only in ${letter}` }), listed(right, "none"), left(tasks, right.length));
  }

  function mark(key) {
    for (const button of root.querySelectorAll("[data-key]")) button.setAttribute("aria-expanded", String(button.getAttribute("data-key") === key));
  }

  function ask(task) { model.set("task", task); model.save_changes(); }

  function openRule(n) {
    start = document.activeElement;
    const each = view.rules[n], touched = tasksOf(each.flipped);
    mark(`rule${n}`);
    detail.replaceChildren(bar(`rule ${each.id} of ${letters[each.side]}`), h("p", {}, words(each)),
      h("p", { class: "fgo-note" }, `written in ${each.subsets}; training tasks that speak for it: ${each.support.n}`, each.uses),
      each.support.n > 0 && folded(["training tasks"], false, h("p", {}, bdi(each.support.ids.join(", ")))) || "",
      folded([h("b", { text: "where it comes from" })], true, h("ol", { class: "fgo-origin" }, each.origin.map((line) => h("li", {}, bdi(line))))),
      h("h5", { text: touched.length ? "flipped test tasks whose trajectory cites it" : "no flipped test task cites it" }),
      h("ul", { class: "fgo-items" }, touched.map(taskItem)));
    if (model.get("task") !== -1) ask(-1);
  }

  function openTask(i) {
    if (!detail.contains(document.activeElement)) start = document.activeElement;
    if (model.get("task") === i) showTask(); else ask(i);
  }

  function showTask() {
    const i = model.get("task"), found = model.get("details");
    if (i === -1 || found.length !== 2) return;
    const task = view.tasks.find((each) => each.i === i);
    mark(`task${i}`);
    detail.replaceChildren(bar(`test task ${task.task}`),
      h("p", { class: "fgo-note" }, task.applied ? `differing rules that were cited: ${task.applied}` : "neither trajectory cites a rule that the other run lacks"),
      h("div", { class: "fgo-panels fgo-2" }, found.map((each, side) => panel(each, letters[side]))));
    detail.focus({ preventScroll: true });
  }

  function bar(title) {
    return h("div", { class: "fgo-pager" }, h("h4", { class: "fgo-status" }, bdi(title)),
      h("button", { type: "button", class: "fgo-close", text: "close", title: "close (Escape)", onclick: close }));
  }

  function close() {
    detail.replaceChildren();
    mark("");
    if (model.get("task") !== -1) ask(-1);
    start?.focus();
  }

  root.addEventListener("keydown", (event) => {
    const items = [...(document.activeElement.closest?.(".fgo-items")?.querySelectorAll("button") || [])];
    const at = items.indexOf(document.activeElement), to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (event.key === "Escape" && detail.firstChild) close();
    else if (at >= 0 && to !== undefined) items[Math.min(Math.max(to, 0), items.length - 1)].focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  root.append(h("p", { class: "fgo-note", text: `${view.shared} rules are in both, in the same words but for case and spaces.` }),
    h("div", { class: "fgo-panels fgo-2" }, column(0), column(1)), detail);
  el.append(root);
  return listen(model, { "change:details": showTask });
}

export default { render };
