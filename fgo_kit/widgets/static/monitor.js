// The face of fgo_kit.widgets.monitor. All text goes through textContent.

function make(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") node.textContent = value;
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

function bar(part) {
  const known = part.expected > 0;
  const share = known ? Math.min(1, part.done / part.expected) : 0;
  const text = part.done.toLocaleString("en") + (known ? ` / ${part.expected.toLocaleString("en")}` : "");
  const fill = make("span", { class: "fgo-fill" });
  fill.style.width = `${100 * share}%`;
  const track = make("div", {
    class: "fgo-track", role: "progressbar", "aria-label": part.name, "aria-valuemin": 0,
    "aria-valuemax": known ? part.expected : null, "aria-valuenow": known ? part.done : null, "aria-valuetext": text,
  }, fill);
  return make("div", { class: "fgo-bar" }, make("bdi", { text: part.name }), track, make("span", { class: "fgo-number", text }));
}

function fact(label, value, share) {
  const node = make("div", {}, make("span", { class: "fgo-label", text: label }), make("b", { text: value }));
  if (share != null) {
    const fill = make("span", { class: "fgo-fill" });
    fill.style.width = `${100 * share}%`;
    node.append(make("div", { class: `fgo-track ${share > 0.9 ? "fgo-near" : ""}`, "aria-hidden": "true" }, fill));
  }
  return node;
}

function render({ model, el }) {
  const stop = make("button", { type: "button", class: "fgo-stop", text: "Stop" });
  stop.addEventListener("click", () => { model.set("stops", model.get("stops") + 1); model.save_changes(); stop.disabled = true; });
  const title = make("bdi", { class: "fgo-title" });
  const state = make("span", { class: "fgo-state", role: "status", "aria-live": "polite" });
  const facts = make("div", { class: "fgo-facts" });
  const phases = make("div", { class: "fgo-bars" });
  const subsets = make("div", { class: "fgo-bars fgo-subsets" });
  const count = make("summary");
  const folded = make("details", {}, count, subsets);
  const error = make("p", { class: "fgo-error", role: "alert" });
  const root = make("div", { class: "fgo-monitor", role: "region", "aria-label": "run monitor" },
    make("header", {}, state, title, stop), facts, phases, folded, error);
  // Jupyter matches its keys (x cuts the cell) from the focused element on, so that one must carry the mark
  root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
  let was = "";
  const show = () => {
    const shown = model.get("shown");
    title.textContent = shown.title;
    if (shown.state !== was) { state.textContent = was = shown.state; state.className = `fgo-state fgo-is-${shown.state}`; }
    stop.disabled = shown.state !== "running";
    facts.replaceChildren(...shown.facts.map(([label, value]) => fact(label, value)),
      ...shown.paid.map((part) => fact(part.name, part.text, part.share)));
    phases.replaceChildren(...shown.phases.map(bar));
    count.textContent = `${shown.subsets.length} subset${shown.subsets.length === 1 ? "" : "s"}`;
    folded.hidden = !shown.subsets.length;
    subsets.replaceChildren(...shown.subsets.map(bar));
    error.textContent = shown.error;
    error.hidden = !shown.error;
  };
  model.on("change:shown", show);
  show();
  el.append(root);
  return () => model.off("change:shown", show);
}

export default { render };
