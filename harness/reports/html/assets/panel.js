// One opened case: what was asked, the answers side by side, and what each check found.

/** A text in which what would turn or hide the text around it stands as an escape. */
const ACTING = /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029]/gu;
const visible = (text) =>
  text.replace(ACTING, (sign) => {
    if (sign === "\n" || sign === "\t") return sign;
    return `\\u${sign.codePointAt(0).toString(16).padStart(4, "0")}`;
  });

/** An element with attributes and children; strings become text nodes. */
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  const there = children.flat().filter((child) => child !== null && child !== undefined);
  node.append(...there.map((child) => (child instanceof Node ? child : visible(String(child)))));
  return node;
}

const unseen = (text) => el("span", { class: "unseen" }, text);

function panel(item, left, right) {
  const names = [left, right].filter((name, i, all) => name && item.by[name] && all.indexOf(name) === i);
  const shown = names.length ? names : Object.keys(item.by).slice(0, 1);
  const node = el("div", { class: "panel" });
  const repeats = Math.max(...shown.map((name) => item.by[name].length));
  for (let repeat = 0; repeat < repeats; repeat++) {
    if (repeats > 1) node.append(el("h4", null, `Repeat ${repeat + 1} of ${repeats}`));
    node.append(...conversation(item, shown, repeat));
  }
  node.append(again(item, shown.at(-1)));
  return node;
}

function conversation(item, names, repeat) {
  const runs = names.map((name) => [name, item.by[name][repeat]]).filter(([, run]) => run);
  const { prompt } = runs[0][1];
  const parts = prompt.filter(([role]) => role === "system").map((m) => said("System", m[1], "system"));
  const asked = prompt.filter(([role]) => role === "user").map((message) => message[1]);
  const turns = Math.max(asked.length, ...runs.map(([, run]) => run.responses.length), 1);
  for (let turn = 0; turn < turns; turn++) {
    const head = turns > 1 ? `User, turn ${turn + 1} of ${turns}` : "User";
    if (asked[turn] !== undefined) parts.push(said(head, asked[turn], "user"));
    parts.push(sides(item, runs, turn, turns));
  }
  return parts;
}

function said(who, text, kind) {
  const long = text.length > 1500;
  const attributes = { class: long ? "text long" : "text", dir: "auto", tabindex: long ? "0" : undefined };
  return el("div", { class: `said ${kind}` }, el("h4", null, who), el("p", attributes, text));
}

function sides(item, runs, turn, turns) {
  const texts = runs.map(([, run]) => run.responses[turn] ?? "");
  const marked = runs.length === 2 && texts[0] !== texts[1] ? differences(...texts) : null;
  return el(
    "div",
    { class: "sides" },
    runs.map(([name, run], i) => side(item, name, run, turn, turns, texts, marked?.[i], i)),
  );
}

function side(item, name, run, turn, turns, texts, marked, place) {
  const last = turn === turns - 1;
  return el(
    "section",
    { class: "side", "aria-label": `Answer of ${name}` },
    el("p", { class: "head" }, el("strong", null, name), last ? standing(item, name, run) : []),
    thinking(run, turn),
    answer(run, turn, texts, marked, place),
    checks(run, turn, last),
    last ? judged(name, run) : null,
    last ? foot(run, texts, marked) : null,
  );
}

const standing = (item, name, run) => [mark(run.outcome, run.outcome), changed(item, name)];

/** The reasoning before an answer, folded away. */
function thinking(run, turn) {
  const text = run.reasoning[turn];
  if (!text) return null;
  const title = `Thinking (${text.length.toLocaleString("en")} characters)`;
  const long = text.length > 1500;
  return el(
    "details",
    { class: "thinking" },
    el("summary", null, title),
    el("p", { class: "text", dir: "auto", tabindex: long ? "0" : undefined }, text),
  );
}

function answer(run, turn, texts, marked, place) {
  const text = run.responses[turn];
  if (text === undefined) return el("p", { class: "empty" }, "No answer");
  const nothing = run.reasoning[turn] ? "No answer after the thinking" : "Empty answer";
  if (text === "") return el("p", { class: "empty" }, nothing);
  const tag = place === 0 ? "del" : "ins";
  const parts = marked ? marked.map(([part, differs]) => (differs ? el(tag, null, part) : part)) : [text];
  const long = text.length > 1500;
  return el("p", { class: "text", dir: "auto", tabindex: long ? "0" : undefined }, parts);
}

function checks(run, turn, last) {
  const mine = run.checks.filter((check) => check[1] === turn || (last && check[1] > turn));
  const rows = mine.map(([name, , passed, , reason, detail]) => {
    const [kind, sign, word] =
      passed === null ? ["open", "?", "cannot tell"] : passed ? ["yes", "✓", "holds"] : ["no", "✗", "fails"];
    return el(
      "li",
      { class: kind },
      el("span", { class: "sign", "aria-hidden": "true" }, sign),
      el("span", null, el("strong", null, name), unseen(` ${word}:`), reason ? ` ${reason}` : ""),
      detail ? el("span", { class: "detail" }, detail) : null,
    );
  });
  if (last && run.reason && run.checks.every((check) => check[2] === true)) {
    const sign = el("span", { class: "sign", "aria-hidden": "true" }, SIGN[run.outcome]);
    rows.unshift(el("li", { class: "no" }, sign, run.reason)); // no check says it: an error, say
  }
  return rows.length ? el("ul", { class: "checks", "aria-label": "Checks" }, rows) : null;
}

/** What a judge said of this answer beside the baseline's. */
function judged(name, run) {
  if (!run.judged) return null;
  const [told, why] = run.judged;
  const note = why ? el("span", { class: "quiet" }, ` (A: ${name}, B: ${baseline})`) : null;
  return el("p", { class: "judged" }, el("strong", null, `Against the baseline: ${told}`), why ? `. ${why}` : "", note);
}

function foot(run, texts, marked) {
  const [asked, answered, thought] = run.tokens;
  const part = thought ? `, ${thought} of them thinking` : "";
  const notes = [`score ${run.score}`, `${asked} tokens asked, ${answered} answered${part}`];
  if (run.finish === "length") notes.push("cut off at the token limit");
  else if (run.finish !== "stop") notes.push(`ended by ${run.finish}`);
  if (run.flags & 2) notes.push("from the store");
  if (texts.length === 2 && texts[0] === texts[1]) notes.push("same answer on both sides");
  else if (texts.length === 2) notes.push(marked ? "underlined: what differs" : "too different to mark");
  return el("p", { class: "foot" }, notes.join(" · "));
}

function again(item, name) {
  const words = [`${item.suite.path}::${item.id}[${name}]`, ...(card.run.options ?? [])];
  const command = ["pytest", ...words.map(quoted)].join(" ");
  return el("p", { class: "again" }, "Run it again: ", el("code", null, command));
}

/** As a POSIX shell takes it. */
function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function mark(kind, text) {
  return el("span", { class: `mark ${kind}` }, `${SIGN[kind] ?? ""} ${text}`.trim());
}

function changed(item, name) {
  const change = item.change[name];
  if (!change) return null;
  const kind = change === "worse" ? "fail" : "pass";
  return el("span", { class: `mark changed ${kind}` }, change === "worse" ? "↓ got worse" : "↑ got better");
}
