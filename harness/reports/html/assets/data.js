// The embedded data, read in portions and grouped by case. Everything that a model wrote stays a plain string: it
// reaches the page through text nodes only.

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const card = read("scorecard-data");
const variants = card.variants.map((variant) => variant.name);
const suites = card.run.suites;
const baseline = card.run.baseline;
const candidates = card.variants.filter((v) => v.role === "candidate").map((v) => v.name);
const SIGN = { pass: "✓", fail: "✗", error: "!", skipped: "–" };

const key = (...parts) => parts.join("\n");

/** How a case changed for a variant, as the gate saw it: "worse", "better" or undefined. */
const changes = new Map();
for (const row of card.categories) {
  for (const id of row.gate?.worse ?? []) changes.set(key(row.suite, id, row.variant), "worse");
  for (const id of row.gate?.better ?? []) changes.set(key(row.suite, id, row.variant), "better");
}

/** The elements with the cases, in file order; what a reader wants first is there once more. */
const portions = [...document.querySelectorAll("script.cases")];
const total = portions.length;
const known = new Map(); // cases by suite and id

/** The results of one element; the prompt of a repeated question is that of the row which had it. */
function results(element) {
  const { fields, rows } = JSON.parse(element.textContent);
  element.remove(); // its text is not needed any more
  return rows.map((row) => {
    const result = Object.fromEntries(fields.map((name, i) => [name, row[i]]));
    if (typeof result.prompt === "number") result.prompt = rows[result.prompt].at(-1);
    return result;
  });
}

/** Read one element into cases, each with its results by variant and repeat; those that are new. */
function take(element) {
  const touched = new Set();
  const added = [];
  for (const result of results(element)) {
    const id = key(result.suite, result.case);
    let item = known.get(id);
    if (!item) {
      known.set(id, (item = newCase(result)));
      added.push(item);
    }
    const runs = (item.by[variants[result.variant]] ??= []);
    if (runs.some((run) => run.repeat === result.repeat)) continue;
    runs.push(result);
    if (result.flags & 1) item.required = true;
    touched.add(item);
  }
  for (const item of touched) finish(item);
  return added;
}
function newCase(result) {
  return {
    suite: suites[result.suite], id: result.case, tags: result.tags, by: {}, required: false,
    place: known.size, fits: true, // what was read early stays before the others of its rank
  };
}

function finish(item) {
  for (const runs of Object.values(item.by)) runs.sort((a, b) => a.repeat - b.repeat);
  item.outcome = {};
  item.change = {};
  for (const name of Object.keys(item.by)) {
    item.outcome[name] = outcome(item.by[name]);
    item.change[name] = changes.get(key(item.suite.name, item.id, name));
  }
  item.rank = rank(item);
}

/** The outcome over repeats: an error or a failure in any of them is the case's. */
function outcome(runs) {
  const all = runs.map((run) => run.outcome);
  return ["error", "fail", "pass"].find((name) => all.includes(name)) ?? "skipped";
}

/** What a reader wants first: got worse, then required or broken, failing, better, the rest. */
function rank(item) {
  const change = Object.values(item.change);
  const now = candidates.map((name) => item.outcome[name]);
  if (change.includes("worse")) return 0;
  if (now.includes("error") || (item.required && now.includes("fail"))) return 1;
  if (now.includes("fail")) return 2;
  return change.includes("better") ? 3 : 4;
}

/** The last user turn, for the list. */
function question(item) {
  const runs = Object.values(item.by)[0];
  const turns = runs[0].prompt.filter(([role]) => role === "user");
  return turns.length ? turns.at(-1)[1] : "";
}

/** All text of a case in lower case, made when it is first searched. */
function haystack(item) {
  if (item.text === undefined) {
    const parts = [item.id, item.suite.name, ...item.tags];
    for (const runs of Object.values(item.by)) {
      for (const run of runs) {
        parts.push(run.reason, ...run.responses, ...run.reasoning);
        for (const check of run.checks) parts.push(check[0], check[4]);
      }
    }
    const { prompt } = Object.values(item.by)[0][0];
    item.text = parts.concat(prompt.map((message) => message[1])).join("\n").toLowerCase();
  }
  return item.text;
}

/** Whether two variants answered alike, in every repeat and turn. */
function sameAnswers(item, left, right) {
  const texts = (name) => JSON.stringify((item.by[name] ?? []).map((run) => run.responses));
  return texts(left) === texts(right);
}
