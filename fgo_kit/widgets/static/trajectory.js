// One open trajectory, as the browser and the comparison of two runs show it.

const MARKS = { right: "✓", wrong: "✗", failed: "!" };

function badge(line) {
  const node = h("span", { class: `fgo-badge fgo-${line.outcome}` });
  node.append(h("span", { "aria-hidden": "true", text: MARKS[line.outcome] }), ` ${line.outcome}`);
  if (line.change) node.append(h("i", { text: ` (${line.change})` }));
  return node;
}

function folded(summary, open, ...content) {
  return h("details", { open }, h("summary", {}, ...summary), ...content);
}

function panel(detail, title) {
  const said = (label, text) => h("div", {}, h("dt", { text: label }), h("dd", {}, bdi(text)));
  const facts = h("dl", { class: "fgo-facts" }, said("answer", detail.answer), said("expected", detail.expected));
  if (detail.outcome === "failed") facts.append(said("status", detail.status));
  else facts.append(said("score", detail.score));
  for (const [key, value] of detail.meta) facts.append(said(key, value));
  const steps = detail.steps.map((step, n) => folded(
    [h("b", { text: `step ${n + 1} ` }), bdi(step.brief)], detail.steps.length === 1,
    h("div", { class: "fgo-label", text: "saw" }), h("pre", { dir: "auto", text: step.saw }),
    h("div", { class: "fgo-label", text: "wrote" }), h("pre", { dir: "auto", text: step.did }),
  ));
  const cited = detail.rules.filter((rule) => rule.cited).length;
  const rules = h("ul", { class: "fgo-rules" }, ...detail.rules.map((rule) => {
    const item = h("li", { class: rule.cited ? "fgo-cited" : "" }, h("code", { text: rule.id }), " ", bdi(rule.text));
    if (rule.cited) item.append(h("b", { text: " cited" }));
    return item;
  }));
  const note = h("p", { class: "fgo-note", text: detail.rules_note });
  const section = h("section", { class: "fgo-panel", "aria-label": `${title}: ${detail.task}, ${detail.where}` },
    h("div", { class: "fgo-title", text: title }),
    h("h4", {}, bdi(detail.task), " ", badge(detail)),
    h("p", { class: "fgo-note" }, bdi(`${detail.run} · ${detail.where}`)), facts);
  if (detail.feedback) section.append(h("div", { class: "fgo-label", text: "feedback" }), h("blockquote", { dir: "auto", text: detail.feedback }));
  section.append(
    folded([h("b", { text: `${detail.rules.length} rule${detail.rules.length === 1 ? "" : "s"} in force, ${cited} cited` })], detail.rules.length < 13 && cited > 0, note, rules),
    ...steps);
  return section;
}
