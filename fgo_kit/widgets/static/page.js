// What the scripts of all widgets share; it is put before each of them. Text reaches a page as text nodes alone,
// never as markup.

const SVG = "http://www.w3.org/2000/svg";

function set(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}
const h = (tag, attributes, ...children) => set(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) => set(document.createElementNS(SVG, tag), attributes, children);
const bdi = (value, cls) => h("bdi", { class: cls, dir: "auto" }, value);

// Jupyter matches its keys (x cuts the cell, b inserts one) from the focused element on, so that one must carry the mark.
function keepKeys(root) {
  root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
}

function listen(model, events) {
  for (const [name, handler] of Object.entries(events)) model.on(name, handler);
  return () => { for (const [name, handler] of Object.entries(events)) model.off(name, handler); };
}
