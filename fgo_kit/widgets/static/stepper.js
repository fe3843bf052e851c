// The face of the merge stepper: draws what Python put into `shown` and sends back what was clicked.

function render({ model, el }) {
  const root = h("div", { class: "fgo-stepper" });
  keepKeys(root);
  const live = h("div", { class: "fgo-note", role: "status", "aria-live": "polite" });
  const progress = h("div", { class: "fgo-progress" });
  const body = h("div", { class: "fgo-body" });
  root.append(body);
  el.append(root);
  const ui = { editing: "", writing: false, seed: "", strategy: "", k: 0, draft: "", reveal: "" };

  const send = (message) => model.send(message);
  const act = (decision) => send({ action: "do", decision });
  const isBusy = () => Object.keys(model.get("busy") || {}).length > 0;

  function button(label, cls, onclick, options = {}) {
    const { title, disabled, pressed } = options;
    return h("button", {
      type: "button", class: `fgo-button ${cls}`, "data-key": cls + (options.key || ""), onclick, disabled,
      title, "aria-label": options.aria || title, "aria-pressed": pressed === undefined ? null : String(pressed),
    }, label);
  }

  // -- the tree

  function tree(view) {
    const { nodes, edges, box, width, height } = view.tree;
    const at = Object.fromEntries(nodes.map((node) => [node.id, node]));
    const lines = edges.map(([top, below]) => s("line", {
      x1: at[top].x, y1: at[top].y + box[1] / 2, x2: at[below].x, y2: at[below].y - box[1] / 2,  // not through the words
      class: at[top].kind === "planned" ? "planned" : "",
    }));
    const boxes = nodes.map((node) => treeNode(view, node, box));
    return h("div", { class: "fgo-tree-box" },
      s("svg", {
        class: "fgo-tree", viewBox: `0 0 ${width} ${height}`, role: "group",
        style: `max-width: ${width}px; min-width: ${0.7 * width}px`,
        "aria-label": `Tree of merges, ${view.open} modules open`,
      }, lines, boxes));
  }

  function treeNode(view, node, [width, height]) {
    const { x, y } = node;
    const real = node.kind !== "planned";
    const classes = ["fgo-node", node.kind, node.selected && "selected", node.next && "next", node.chosen && "chosen"];
    const rules = `${node.rules} rule${node.rules === 1 ? "" : "s"}`;
    const words = real ? `${rules}${node.score ? ", gate " + node.score : ""}` : "to come";
    const open = () => real && send({ action: "select", node: node.id });
    return s("g", {
      class: classes.filter(Boolean).join(" "), "data-node": node.id, "data-key": "node" + node.id,
      role: real ? "button" : "img", tabindex: real ? 0 : null, onclick: open,
      "aria-label": `${node.label}: ${node.kind}, ${words}${node.next ? ", suggested to merge next" : ""}`,
      "aria-current": node.selected ? "true" : null,
      onkeydown: (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); }
        if (event.key === "ArrowRight" || event.key === "ArrowUp") { event.preventDefault(); walk(view, 1); }
        if (event.key === "ArrowLeft" || event.key === "ArrowDown") { event.preventDefault(); walk(view, -1); }
      },
    },
      s("title", {}, `${node.label}: ${node.kind}, ${words}`),
      s("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 7 }),
      s("text", { x, y: real ? y - 3 : y + 4, "text-anchor": "middle" }, node.label.slice(0, 10) + (node.yours ? " ✎" : "")),
      real && s("text", { x, y: y + 11, "text-anchor": "middle", class: "small" }, node.score || rules));
  }

  function walk(view, by) {
    const place = view.order.indexOf(view.node.id) + by;
    if (place < 0 || place >= view.order.length) return;
    ui.focus = "node" + view.order[place];
    send({ action: "select", node: view.order[place] });
  }

  // -- the toolbar

  function toolbar(view) {
    const place = view.order.indexOf(view.node.id);
    const left = view.total - view.cursor;
    return h("div", { class: "fgo-bar", role: "toolbar", "aria-label": "Steps" },
      button("◀ Back", "fgo-back", () => walk(view, -1), { disabled: place <= 0, title: "The node before this one" }),
      button("Forward ▶", "fgo-forward", () => walk(view, 1),
        { disabled: place >= view.order.length - 1, title: "The node after this one" }),
      button("↶ Undo", "fgo-undo", () => send({ action: "undo" }),
        { disabled: !view.cursor, title: `Undo one of ${view.cursor} decisions` }),
      button("↷ Redo", "fgo-redo-step", () => send({ action: "redo" }),
        { disabled: !left, title: `Redo one of ${left} undone decisions` }),
      h("span", { class: "fgo-gap" }),
      button("Finish automatically", "fgo-finish", () => act({ do: "finish" }),
        { disabled: view.done, title: "Make all merges that are left, as the run would" }),
      h("span", { class: "fgo-label" }, "Export"),
      button("Text", "fgo-export-text", () => send({ action: "export", kind: "text" }), { title: "Export the module as text" }),
      button("JSON", "fgo-export-json", () => send({ action: "export", kind: "json" }),
        { title: "Export module, lineage and decisions as JSON" }),
      button("Run", "fgo-export-run", () => send({ action: "export", kind: "run" }),
        { disabled: !view.done, title: "Score the module on the test split and export it as a run" }));
  }

  function status(view) {
    const kept = view.saved ? `saved ${view.saved}` : view.total ? "opened as saved" : "each decision is saved at once";
    const saved = view.path ? kept : "not saved (save=False)";
    return h("div", { class: "fgo-status" },
      bdi(view.title), view.simulated && h("span", { class: "fgo-chip" }, "simulated LLM"),
      h("span", {}, view.done ? "one module left: done" : `${view.open} modules open`),
      h("span", {}, `${view.locked} locked`), h("span", {}, `${view.tokens.toLocaleString("en")} tokens`),
      h("span", { class: "fgo-path", title: "Calls that wait for each other, of all that were asked; at one latency, with unlimited workers and with some" }, view.waits),
      h("span", { class: "fgo-score" }, view.score), h("span", { class: "fgo-saved", title: view.path }, saved));
  }

  function next(view) {
    if (view.done || view.pending) return null;
    const open = view.tree.nodes.filter((node) => node.open);
    const chosen = open.filter((node) => node.chosen).map((node) => node.id);
    const boxes = open.map((node) => h("label", { class: "fgo-pick" },
      h("input", {
        type: "checkbox", checked: node.chosen, "data-node": node.id, "data-key": "pick" + node.id,
        onchange: (event) => act({
          do: "choose",
          nodes: event.target.checked ? [...chosen, node.id] : chosen.filter((id) => id !== node.id),
        }),
      }), node.label));
    const names = view.next.join(" + ");
    const what = view.choosing ? "your choice" : "suggested";
    return h("div", { class: "fgo-next" },
      button(names ? `Merge ${names}` : "Merge", "fgo-merge primary", () => act({ do: "merge" }), { disabled: !names }),
      h("span", { class: "fgo-hint" }, names ? what : "tick two or more modules"),
      h("fieldset", { class: "fgo-picks" }, h("legend", {}, "or choose what merges next"), boxes));
  }

  // -- one node

  function rule(view, item, own) {
    const node = view.node, key = `${node.id}/${item.id}`;
    const chips = [
      item.fate && h("span", { class: `fgo-chip fate-${item.fate}` }, item.fate + (item.into.length ? " → " + item.into.join(", ") : "")),
      support(item, key + (own ? "" : "<")),
      item.right + item.wrong > 0 && h("span", { class: "fgo-chip", title: "Training rollouts that cited it, right and wrong" }, `✓${item.right} ✗${item.wrong}`),
      h("span", { class: "fgo-chip" }, "by ", item.yours ? "you" : item.origin),
      item.locked && h("span", { class: "fgo-chip locked" }, "locked"),
      item.restored && h("span", { class: "fgo-chip locked" }, "put back: it is locked"),
    ];
    const words = item.diff.map(([op, part]) => op === "=" ? part : h(op === "-" ? "del" : "ins", {}, part));
    const editing = own && ui.editing === key;
    return h("li", { class: `fgo-rule${item.fate ? " of-" + item.fate : ""}`, "data-rule": item.id },
      h("div", { class: "fgo-rule-head" }, h("code", {}, item.label), chips),
      editing ? editor(item.text, "Text of the rule", (value) => act({ do: "edit", node: node.id, rule: item.id, text: value }))
        : h("bdi", { class: "fgo-rule-text", dir: "auto" }, words),
      item.said && h("div", { class: "fgo-from" }, bdi(item.said)),
      own && item.from.length > 0 && h("div", { class: "fgo-from" }, "from " + item.from.join(", ")),
      own && !editing && tools(view, item, key));
  }

  function support(item, key) {
    const { n, ids } = item.support;
    const list = ids.join(", ") + (n > ids.length ? ` … and ${n - ids.length} more` : "");
    const show = ui.reveal === key;
    return [
      h("button", {
        type: "button", class: "fgo-chip fgo-support", "data-key": "support" + key, title: list || "no tasks",
        "aria-expanded": String(show), "aria-label": `support: ${n} tasks`,
        onclick: () => { ui.reveal = show ? "" : key; draw(); },
      }, `${n} task${n === 1 ? "" : "s"}`),
      show && h("bdi", { class: "fgo-tasks" }, list || "no tasks"),
    ];
  }

  function tools(view, item, key) {
    const node = view.node.id, id = item.id, name = item.label;
    const list = view.node.components.find((part) => part.rules.includes(item)).rules;
    const place = list.indexOf(item) + 1, off = !view.node.editable;
    const lock = { do: item.locked ? "unlock" : "lock", rule: id };
    const tool = (label, cls, decision, aria, disabled) =>
      button(label, cls, () => act(decision), { key, aria: `${aria} rule ${name}`, title: `${aria} rule ${name}`, disabled });
    return h("div", { class: "fgo-tools" },
      button("Edit", "fgo-edit", () => { ui.editing = key; ui.writing = false; ui.focus = "input"; draw(); },
        { key, aria: `Edit rule ${name}`, disabled: off }),
      tool("Drop", "fgo-drop", { do: "drop", node, rule: id }, "Drop", off || item.locked),
      tool("↑", "fgo-up", { do: "move", node, rule: id, at: place - 1 }, "Move up", off || place === 1),
      tool("↓", "fgo-down", { do: "move", node, rule: id, at: place + 1 }, "Move down", off || place === list.length),
      tool(item.locked ? "Unlock" : "Lock", "fgo-lock", lock, item.locked ? "Unlock" : "Lock", off && !item.locked));
  }

  function editor(value, label, save) {
    const area = h("textarea", { class: "fgo-input", "data-key": "input", rows: 3, "aria-label": label, maxlength: model.get("shown").longest });
    area.value = value;
    const close = () => { ui.editing = ""; ui.writing = false; };
    const done = () => { close(); save(area.value); };
    area.addEventListener("keydown", (event) => {
      event.stopPropagation();  // the notebook has keys of its own
      if (event.key === "Escape") { close(); draw(); }
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) done();
    });
    return h("div", { class: "fgo-editor" }, area,
      button("Save", "fgo-save primary", done, { title: "Save (Ctrl+Enter)" }),
      button("Cancel", "fgo-cancel", () => { close(); draw(); }, { title: "Cancel (Escape)" }));
  }

  function gate(found) {
    if (!found || !found.n) return h("span", { class: "fgo-hint" }, found ? "no call was answered" : "not evaluated");
    const bar = h("span", { class: "fgo-gate-bar", "aria-hidden": "true" }, h("i", {}), h("b", {}));
    bar.children[0].style.cssText = `left:${found.lo}%;width:${found.hi - found.lo}%`;
    bar.children[1].style.cssText = `left:${found.value}%`;
    return h("span", { class: "fgo-gate" }, bar, `${found.value} % [${found.lo}, ${found.hi}] of ${found.n} gate tasks`);
  }

  function verdict(view) {
    const { node } = view;
    if (!node.pending) return null;
    const seed = h("input", { type: "number", min: 0, class: "fgo-seed", "aria-label": "Seed", placeholder: "next", "data-key": "seed" });
    seed.value = ui.seed;
    seed.addEventListener("input", () => { ui.seed = seed.value; });
    seed.addEventListener("keydown", (event) => event.stopPropagation());
    const strategy = h("select", { class: "fgo-strategy", "aria-label": "Strategy", "data-key": "strategy", onchange: (e) => { ui.strategy = e.target.value; } },
      Object.entries(view.strategies).map(([value, label]) => h("option", { value, selected: ui.strategy === value }, label)));
    const redo = () => {
      const decision = { do: "redo", strategy: ui.strategy };
      if (ui.seed !== "") decision.seed = Number.parseInt(ui.seed, 10);
      act(decision);
    };
    return h("div", { class: "fgo-verdict", role: "group", "aria-label": `Verdict on ${node.label}` },
      button("Accept", "fgo-accept primary", () => act({ do: "accept" }), { title: "Keep this merge" }),
      button("Reject", "fgo-reject", () => act({ do: "reject" }), { title: "Leave its children unmerged" }),
      node.children.map((child) => button(
        `Keep ${child.label}${child.id === node.better ? " (better)" : ""}`, "fgo-keep",
        () => act({ do: "keep", node: child.id }), { key: child.id, title: `Use the module of ${child.label} instead` })),
      h("span", { class: "fgo-redo-group" }, button("Merge again", "fgo-redo", redo, { title: "Redo this merge with another seed or strategy" }),
        h("label", {}, "seed ", seed), strategy));
  }

  function evaluation(view) {
    const k = h("input", { type: "number", min: 1, max: view.gate_tasks, class: "fgo-k", "aria-label": "Gate tasks", "data-key": "k" });
    k.value = ui.k || view.k;
    k.addEventListener("input", () => { ui.k = k.value; });
    k.addEventListener("keydown", (event) => event.stopPropagation());
    const { against, gained, lost } = view.node.flips;
    const flipped = (tasks, label, cls) => h("div", { class: cls }, `${label}: ${tasks.n} `, bdi(tasks.ids.join(", "), "fgo-tasks"));
    return h("div", { class: "fgo-evaluation" },
      button("Evaluate", "fgo-evaluate",
        () => act({ do: "evaluate", node: view.node.id, k: Number.parseInt(k.value, 10) || 0 }),
        { disabled: !view.gate_tasks, title: "Score this module and its children on gate tasks" }),
      h("label", {}, "on ", k, ` of ${view.gate_tasks} gate tasks`), gate(view.node.gate),
      against && h("div", { class: "fgo-flips" }, h("span", {}, `against ${against}:`),
        flipped(gained, "now right", "gained"), flipped(lost, "now wrong", "lost")));
  }

  function panel(view) {
    const { node } = view;
    const rules = (items, own) => items.length ? h("ul", { class: "fgo-rules" }, items.map((item) => rule(view, item, own)))
      : h("p", { class: "fgo-hint" }, "no rules");
    const children = node.children.map((child) => h("section", { class: "fgo-column", "aria-label": `Child ${child.label}` },
      h("h4", {}, `child ${child.label}`), gate(child.gate), rules(child.rules, false)));
    const own = h("section", { class: "fgo-column fgo-own", "aria-label": `Module of ${node.label}` },
      h("h4", {}, node.pending ? `candidate ${node.label}` : `module ${node.label}`),
      node.components.map((part) => [
        node.components.length > 1 && h("h5", {}, part.name),
        h("p", { class: "fgo-preamble" }, bdi(part.preamble)), rules(part.rules, true)]),
      ui.writing ? editor("", "Your rule", (value) => act({ do: "write", node: node.id, text: value }))
        : button("Write a rule", "fgo-write", () => { ui.writing = true; ui.editing = ""; ui.focus = "input"; draw(); }, { disabled: !node.editable }));
    return h("div", { class: "fgo-panel", role: "region", "aria-label": `Node ${node.label}` },
      h("div", { class: "fgo-head" }, h("h3", {}, node.label),
        h("span", { class: `fgo-chip ${node.pending ? "pending" : ""}` }, node.decision),
        h("span", {}, `${node.tasks.n} training tasks`), h("span", {}, `${node.tokens.toLocaleString("en")} tokens`),
        !node.editable && h("span", { class: "fgo-hint" }, "merged already: rules are fixed")),
      verdict(view), evaluation(view), h("div", { class: "fgo-columns" }, children.length > 0 && h("div", { class: "fgo-children" }, children), own));
  }

  function history(view) {
    const items = view.history.map((line, index) => h("li", { class: index + view.skipped < view.cursor ? "" : "undone" }, bdi(line)));
    return h("section", { class: "fgo-history", "aria-label": "Decisions" }, h("h4", {}, `Decisions (${view.cursor} of ${view.total})`),
      h("ol", { start: view.skipped + 1, tabindex: 0 }, items));
  }

  function draw() {
    const view = model.get("shown");
    if (!view || !view.tree) return;
    const focused = ui.focus || (root.contains(document.activeElement) && document.activeElement.getAttribute("data-key"));
    const scrolled = root.querySelector(".fgo-tree-box")?.scrollLeft || 0;
    body.replaceChildren(toolbar(view), status(view), live, progress,
      h("div", { class: "fgo-top" }, tree(view), history(view)), next(view) || "", panel(view));
    root.querySelector(".fgo-tree-box").scrollLeft = scrolled;
    const list = root.querySelector(".fgo-history ol");
    list.scrollTop = list.scrollHeight;
    if (focused) [...root.querySelectorAll("[data-key]")].find((e) => e.getAttribute("data-key") === focused)?.focus();
    ui.focus = "";
    work();
  }

  function work() {
    const { what, done, of } = model.get("busy") || {};
    root.classList.toggle("busy", isBusy());
    for (const control of root.querySelectorAll("button, input, select")) {
      if (!control.classList.contains("fgo-stop")) control.inert = isBusy();
    }
    if (!isBusy()) { progress.replaceChildren(); return; }
    // The button stays one and the same while it is shown: one that is replaced under the pointer is not clicked.
    if (!progress.firstChild) {
      const stop = button("Stop", "fgo-stop", () => send({ action: "stop" }), { title: "Stop; what was paid is kept" });
      progress.append(h("span", {}), h("progress", {}), stop);
    }
    const [words, bar] = progress.children;
    words.textContent = `${what}: ${done}${of ? " of " + of : ""} calls`;
    bar.setAttribute("aria-label", `Progress of ${what}`);
    if (of) { bar.max = of; bar.value = Math.min(done, of); } else bar.removeAttribute("value");
  }

  function tell() {
    const { text: words, error } = model.get("note") || {};
    live.replaceChildren(...(words ? [bdi(words, error ? "fgo-error" : "fgo-ok")] : []));
  }

  draw();
  tell();
  return listen(model, { "change:shown": draw, "change:busy": work, "change:note": tell });
}

export default { render };
