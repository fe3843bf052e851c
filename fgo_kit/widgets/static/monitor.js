// The face of fgo_kit.widgets.monitor.

function bar(part) {
  const known = part.expected > 0;
  const share = known ? Math.min(1, part.done / part.expected) : 0;
  const text = part.done.toLocaleString("en") + (known ? ` / ${part.expected.toLocaleString("en")}` : "");
  const fill = h("span", { class: "fgo-fill" });
  fill.style.width = `${100 * share}%`;
  const track = h("div", {
    class: "fgo-track", role: "progressbar", "aria-label": part.name, "aria-valuemin": 0,
    "aria-valuemax": known ? part.expected : null, "aria-valuenow": known ? part.done : null, "aria-valuetext": text,
  }, fill);
  return h("div", { class: "fgo-bar" }, h("bdi", { text: part.name }), track, h("span", { class: "fgo-number", text }));
}

function fact(label, value, share) {
  const node = h("div", {}, h("span", { class: "fgo-label", text: label }), h("b", { text: value }));
  if (share != null) {
    const fill = h("span", { class: "fgo-fill" });
    fill.style.width = `${100 * share}%`;
    node.append(h("div", { class: `fgo-track ${share > 0.9 ? "fgo-near" : ""}`, "aria-hidden": "true" }, fill));
  }
  return node;
}

function render({ model, el }) {
  const stop = h("button", { type: "button", class: "fgo-stop", text: "Stop" });
  stop.addEventListener("click", () => { model.set("stops", model.get("stops") + 1); model.save_changes(); stop.disabled = true; });
  const title = h("bdi", { class: "fgo-title" });
  const state = h("span", { class: "fgo-state", role: "status", "aria-live": "polite" });
  const facts = h("div", { class: "fgo-facts" });
  const phases = h("div", { class: "fgo-bars" });
  const subsets = h("div", { class: "fgo-bars fgo-subsets" });
  const count = h("summary");
  const folded = h("details", {}, count, subsets);
  const error = h("p", { class: "fgo-error", role: "alert" });
  const root = h("div", { class: "fgo-monitor", role: "region", "aria-label": "run monitor" },
    h("header", {}, state, title, stop), facts, phases, folded, error);
  keepKeys(root);
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
  show();
  el.append(root);
  return listen(model, { "change:shown": show });
}

export default { render };
