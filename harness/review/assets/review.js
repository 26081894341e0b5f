// One item after another: what is pressed is saved before the next one is shown.
"use strict";
(() => {
  const node = (id) => document.getElementById(id);
  const home = node("review");
  const base = `/rate/${encodeURIComponent(home.dataset.rater)}`;
  let item = null; // what the server said of the item that is shown
  let current = 0; // the criterion that a digit scores
  let sending = Promise.resolve(); // one after the other, in the order of the keys

  function element(tag, text, className) {
    const made = document.createElement(tag);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  const ROLES = { user: "Asked", assistant: "Answered", system: "System prompt", tool: "A tool said" };

  function turn({ role, text }, head = true) {
    const made = element("div", "", "turn");
    if (head) made.append(element("h2", ROLES[role] ?? role));
    made.append(element("p", text || "(empty)", "text"));
    return made;
  }

  function show(found) {
    const moved = !item || item.number !== found.number;
    item = found;
    node("problem").hidden = true;
    node("place").textContent = `${item.number + 1} of ${item.count}`;
    node("about").textContent = `· ${item.suite} / ${item.case} · ${item.why}`;
    node("judged").textContent = `${item.judged} judged`;
    node("bar").max = item.count;
    node("bar").value = item.judged;
    node("done").hidden = item.judged < item.count;
    node("back").disabled = item.number === 0;
    node("on").disabled = item.number === item.count - 1;
    node("asked").replaceChildren(...item.asked.map((each) => turn(each)));
    const two = item.by === "pairs";
    node("answers").replaceChildren(...item.answers.map((said, at) => {
      const side = element("article", "", "side");
      side.append(element("h2", two ? "AB"[at] : "Answer"), ...said.map((each) => turn(each, said.length > 1)));
      return side;
    }));
    node("rubric").hidden = !item.rubric;
    node("rubric").textContent = item.rubric;
    node("sides").hidden = !two;
    for (const button of node("sides").children) {
      button.setAttribute("aria-pressed", String(item.preferred === button.dataset.side));
    }
    node("scores").hidden = two;
    node("scale").hidden = two;
    if (moved) {
      const open = item.criteria.findIndex((name) => !(name in item.scores));
      current = Math.max(0, open);
    }
    node("scores").replaceChildren(...item.criteria.map(criterion));
    if (moved || document.activeElement !== node("note")) node("note").value = item.note;
    if (moved) {
      history.replaceState(null, "", `#${item.number + 1}`);
      window.scrollTo(0, 0);
      node("title").focus({ preventScroll: true });
    }
    home.dataset.shown = String(item.number);
    home.dataset.judged = String(item.judged);
  }

  function criterion(name, at) {
    const made = element("div", "", "criterion");
    made.setAttribute("aria-current", String(at === current));
    const points = element("div", "", "points");
    points.setAttribute("role", "group");
    points.setAttribute("aria-label", name);
    for (let score = 1; score <= 5; score += 1) {
      const button = element("button", String(score));
      button.type = "button";
      button.setAttribute("aria-pressed", String(item.scores[name] === score));
      button.addEventListener("click", () => rate(at, score));
      points.append(button);
    }
    made.append(element("p", name), points);
    return made;
  }

  async function ask(path, body) {
    const init = body === undefined ? {} : {
      method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" },
    };
    const answer = await fetch(base + path, init);
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.problem ?? answer.statusText);
    return found;
  }

  /** Do one thing after all that was asked for before it. */
  function then(work) {
    sending = sending.then(work).catch((error) => {
      node("problem").textContent = `Not saved: ${error.message}`;
      node("problem").hidden = false;
    });
  }

  const go = (number) => then(async () => show(await ask(`/items/${number}`)));

  function step(by) {
    then(async () => {
      const to = item.number + by;
      if (to >= 0 && to < item.count) show(await ask(`/items/${to}`));
    });
  }

  function rate(at, score) {
    then(async () => {
      if (item.by !== "scores" || at >= item.criteria.length) return;
      const said = { criterion: item.criteria[at], score, note: node("note").value };
      const found = await ask(`/items/${item.number}`, said);
      const open = found.criteria.findIndex((name) => !(name in found.scores));
      current = open < 0 ? Math.min(at + 1, found.criteria.length - 1) : open;
      show(found);
      if (open < 0) await onward(found);
    });
  }

  function prefer(side) {
    then(async () => {
      if (item.by !== "pairs") return;
      const found = await ask(`/items/${item.number}`, { preferred: side, note: node("note").value });
      show(found);
      await onward(found);
    });
  }

  async function onward(found) {
    if (found.next !== null) show(await ask(`/items/${found.next}`));
  }

  /** Save a changed note; one of what is not judged yet goes along with the judgement. */
  function note() {
    then(async () => {
      const text = node("note").value;
      const said = item.preferred !== null || Object.keys(item.scores).length > 0;
      if (said && text !== item.note) show(await ask(`/items/${item.number}`, { note: text }));
    });
  }

  const undo = () => then(async () => show(await ask("/undo", {})));

  for (const button of node("sides").children) {
    button.addEventListener("click", () => prefer(button.dataset.side));
  }
  node("undo").addEventListener("click", undo);
  node("back").addEventListener("click", () => step(-1));
  node("on").addEventListener("click", () => step(1));
  node("note").addEventListener("change", note);

  const keys = {
    a: () => prefer("A"), b: () => prefer("B"), t: () => prefer("tie"), u: undo,
    n: () => node("note").focus(),
    ArrowLeft: () => step(-1), ArrowRight: () => step(1),
    ArrowUp: () => mark(-1), ArrowDown: () => mark(1),
    "?": () => document.querySelector(".hint").scrollIntoView(), // other pages have other keys
  };

  function mark(by) {
    current = Math.min(Math.max(0, current + by), item.criteria.length - 1);
    [...node("scores").children].forEach((each, at) => {
      each.setAttribute("aria-current", String(at === current));
    });
  }

  // Before the keys of all pages: n and the arrows mean something else here.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !item) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.target === node("note")) {
      if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)) {
        event.preventDefault();
        event.target.blur(); // saves it
      }
      event.stopPropagation();
      return;
    }
    const digit = /^[1-5]$/.test(event.key);
    const arrow = event.key === "ArrowUp" || event.key === "ArrowDown";
    if (arrow && (item.by === "pairs" || item.criteria.length < 2)) return; // the page scrolls
    if (digit || event.key in keys) {
      event.preventDefault();
      event.stopPropagation();
      if (digit) rate(current, Number(event.key));
      else keys[event.key]();
    }
  }, true);

  const asked = Number(location.hash.slice(1));
  go(Number.isInteger(asked) && asked > 0 ? asked - 1 : Number(home.dataset.first));
})();
