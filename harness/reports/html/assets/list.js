// The list of cases: filters, pages, and opening a case by its address (#case/suite/id/variant).

const PAGE = 50; // rows in the document at a time: 20,000 would make every key press slow
const all = [];
const state = { shown: all, page: 0, open: new Set(), drawn: [] };
const at = (id) => document.getElementById(id);
const control = Object.fromEntries(
  ["text", "change", "outcome", "suite", "tag", "left", "right"].map((name) => [name, at(`filter-${name}`)]),
);

function choices(select, rows) {
  select.replaceChildren(...rows.map(([value, text]) => el("option", { value }, text)));
}

function fillChoices() {
  const known = (name) => variants.includes(name);
  const compared = known(baseline) ? baseline : "";
  const right = blockedFirst() ?? variants.find((name) => name !== compared) ?? "";
  const names = variants.map((name) => [name, name]);
  choices(control.change, [
    ["", "any"], ["worse", "↓ got worse"], ["better", "↑ got better"],
    ["differs", "answer differs"], ["same", "same answer"],
  ]);
  choices(control.outcome, [
    ["", "any"], ["fail", "✗ fail"], ["pass", "✓ pass"], ["error", "! error"], ["skipped", "– skipped"],
  ]);
  choices(control.suite, [["", "all"], ...suites.map((suite) => [suite.name, suite.name])]);
  choices(control.left, [["", "nothing"], ...names]);
  choices(control.right, names);
  for (const [select, value] of [[control.left, compared], [control.right, right]]) {
    const option = [...select.options].find((each) => each.value === value);
    if (option) option.defaultSelected = option.selected = true;
  }
  for (const select of [control.left, control.right]) select.parentElement.hidden = variants.length < 2;
  fillTags();
}

/** The tags of the cases that were read so far. */
function fillTags() {
  const tags = [...new Set(all.flatMap((item) => item.tags))].sort();
  const { value } = control.tag;
  choices(control.tag, [["", "any"], ...tags.map((tag) => [tag, tag])]);
  control.tag.value = value;
  control.tag.parentElement.hidden = tags.length === 0;
}

/** The candidate that a reader asks about first: a blocked one, or the first. */
function blockedFirst() {
  const blocked = card.variants.find((variant) => variant.blocked_by.length);
  return blocked?.name ?? candidates[0];
}

function clear() {
  for (const node of Object.values(control)) {
    node.value = [...(node.options ?? [])].find((option) => option.defaultSelected)?.value ?? "";
  }
}

function fits(item, wanted) {
  const name = wanted.right;
  if (wanted.suite && item.suite.name !== wanted.suite) return false;
  if (wanted.tag && !item.tags.includes(wanted.tag)) return false;
  if (wanted.outcome && item.outcome[name] !== wanted.outcome) return false;
  if (wanted.change && !changedAs(item, wanted)) return false;
  return !wanted.text || haystack(item).includes(wanted.text);
}

function changedAs(item, { change, left, right }) {
  if (change === "worse" || change === "better") return item.change[right] === change;
  if (!left || !item.by[left] || !item.by[right]) return false;
  return sameAnswers(item, left, right) === (change === "same");
}

function filter() {
  const wanted = asked();
  for (const item of all) item.fits = fits(item, wanted);
  state.shown = all.filter((item) => item.fits);
  state.page = 0;
  draw();
}

/** What the filters say. */
function asked() {
  const wanted = Object.fromEntries(Object.entries(control).map(([name, node]) => [name, node.value]));
  wanted.text = wanted.text.trim().toLowerCase();
  return wanted;
}

/** Read one portion more, and then the next; between them the page answers its reader. */
function load() {
  const wanted = asked();
  const added = take(portions.shift());
  for (const item of added) item.fits = fits(item, wanted);
  all.push(...added);
  all.sort((a, b) => a.rank - b.rank || a.place - b.place);
  state.shown = all.filter((item) => item.fits);
  if (state.pending && follow()) state.pending = false;
  else if (shown().some((item, i) => item !== state.drawn[i])) draw();
  else tell();
  if (portions.length) setTimeout(load);
  else loaded();
}

function loaded() {
  fillTags();
  at("loading").hidden = true;
  document.documentElement.dataset.loaded = "true";
}

/** The cases on the page that is looked at. */
function shown() {
  return state.shown.slice(state.page * PAGE, (state.page + 1) * PAGE);
}

function draw() {
  state.drawn = shown();
  at("list").replaceChildren(...state.drawn.map(entry));
  tell();
}

/** Say how many cases there are. */
function tell() {
  const first = state.page * PAGE;
  const count = state.shown.length;
  const figure = (n) => n.toLocaleString("en");
  const noun = all.length === 1 ? "case" : "cases";
  at("count").textContent =
    count === all.length ? `${figure(count)} ${noun}` : `${figure(count)} of ${figure(all.length)} ${noun}`;
  at("loading").textContent = `${Math.floor((100 * (total - portions.length)) / total)} % of the page is read`;
  at("page").textContent = `${figure(first + 1)}–${figure(first + state.drawn.length)} of ${figure(count)}`;
  at("previous").disabled = state.page === 0;
  at("next").disabled = first + PAGE >= count;
  at("pager").hidden = count <= PAGE;
}

function entry(item) {
  const open = state.open.has(item);
  const button = el(
    "button",
    { type: "button", class: "row", "aria-expanded": String(open) },
    el("span", { class: "arrow", "aria-hidden": "true" }, "▸"),
    el("span", { class: "id" }, item.id, el("span", { class: "quiet" }, item.suite.name)),
    el("span", { class: "marks" }, marks(item)),
    el("span", { class: "ask", dir: "auto" }, question(item).slice(0, 160)),
    because(item),
  );
  const node = el("li", null, el("h3", null, button));
  const toggle = (wanted) => {
    node.querySelector(".panel")?.remove();
    if (wanted) node.append(panel(item, control.left.value, control.right.value));
    button.setAttribute("aria-expanded", String(wanted));
    state.open[wanted ? "add" : "delete"](item);
  };
  button.addEventListener("click", () => toggle(!state.open.has(item)));
  if (open) toggle(true);
  return node;
}

/** Why the variant that is looked at fails here: the first reason, in one line. */
function because(item) {
  const runs = item.by[control.right.value] ?? [];
  const lost = runs.find((run) => run.judged?.[0] === "lost");
  const failing = runs.find((run) => run.outcome !== "pass" && run.reason)?.reason;
  const reason = failing ?? (lost && `the judge preferred ${baseline}: ${lost.judged[1]}`);
  return reason ? el("span", { class: "because", dir: "auto" }, reason.slice(0, 200)) : null;
}

function marks(item) {
  const name = control.right.value;
  const parts = [changed(item, name)];
  if (item.required) parts.push(el("span", { class: "mark tag" }, "required"));
  for (const each of variants) {
    if (item.outcome[each]) parts.push(mark(item.outcome[each], each));
  }
  return parts;
}

/** Show the cases of one suite with one tag, as a variant answered them. */
function showSlice(suite, tag, variant) {
  clear();
  control.suite.value = suite;
  control.tag.value = tag;
  control.right.value = variant;
  filter();
  at("cases").scrollIntoView();
  return true;
}

/** Open the case that the address names; true if there is one. */
function follow() {
  const [kind, suite, id, variant] = location.hash.slice(1).split("/").map(decodeURIComponent);
  if (kind === "slice") return showSlice(suite, id, variant);
  if (kind !== "case") return false;
  const number = suites.findIndex((each) => each.name === suite);
  const item = known.get(key(number, id));
  if (!item) return false;
  clear();
  if (variants.includes(variant)) control.right.value = variant;
  state.open.add(item);
  filter();
  state.page = Math.floor(state.shown.indexOf(item) / PAGE);
  draw();
  const row = at("list").children[state.shown.indexOf(item) % PAGE];
  row.scrollIntoView({ block: "start" });
  row.querySelector("button").focus({ preventScroll: true });
  return true;
}

function turn(step) {
  state.page += step;
  draw();
  at("cases").scrollIntoView();
  at("list").querySelector("button")?.focus({ preventScroll: true });
}

// On a phone the filters would fill the first screen.
at("fold").open = !window.matchMedia("(max-width: 48rem)").matches;
let waiting;
// Of a large page what a reader wants first is read now, and the rest when the page is there.
const early = portions.findIndex((element) => element.id === "cases-first");
all.push(...take(portions.splice(Math.max(early, 0), 1)[0]));
all.sort((a, b) => a.rank - b.rank); // stable: file order within a rank
fillChoices();
at("filters").addEventListener("submit", (event) => event.preventDefault());
at("filters").addEventListener("reset", (event) => {
  event.preventDefault();
  clear();
  filter();
});
control.text.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(filter, 120);
});
for (const [name, node] of Object.entries(control)) {
  if (name !== "text") node.addEventListener("change", filter);
}
at("previous").addEventListener("click", () => turn(-1));
at("next").addEventListener("click", () => turn(1));
window.addEventListener("hashchange", follow);
/** A term's explanation stays inside the window, and Escape puts it away. */
for (const kind of ["pointerover", "focusin"]) {
  document.addEventListener(kind, ({ target }) => {
    if (!target.classList?.contains("term")) return;
    target.classList.toggle("end", target.getBoundingClientRect().left > window.innerWidth / 2);
  });
}
document.addEventListener("keydown", ({ key: name }) => {
  if (name === "Escape" && document.activeElement?.classList.contains("term")) document.activeElement.blur();
});
window.addEventListener("hashchange", () => { state.pending = false; });
state.pending = location.hash.startsWith("#case/");
if (follow()) state.pending = false;
else draw();
document.documentElement.dataset.ready = "true";
at("loading").hidden = portions.length === 0;
if (portions.length) setTimeout(load);
else loaded();
