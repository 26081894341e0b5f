// Which words differ between two answers: Myers' greedy algorithm (1986) on words and spaces.

const MOST_EDITS = 600; // beyond that two answers have little in common, and marks only distract

const wordsOf = (text) =>
  text.match(/\p{Script=Han}|[\p{L}\p{M}\p{N}_]+|\s+|[^\p{L}\p{M}\p{N}_\s]/gu) ?? [];

/**
 * Two lists of [text, differs], one per side, or null where the answers differ too much.
 * Time is O((n + m) · edits), memory O(edits²).
 */
function differences(left, right) {
  const a = wordsOf(left);
  const b = wordsOf(right);
  const trace = walk(a, b);
  if (trace === null) return null;
  const gone = new Set();
  const come = new Set();
  retrace(trace, a.length, b.length, gone, come);
  return [runs(a, gone), runs(b, come)];
}

function walk(a, b) {
  const far = new Map([[1, 0]]);
  const trace = [];
  for (let d = 0; d <= Math.min(MOST_EDITS, a.length + b.length); d++) {
    trace.push(new Map(far));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && far.get(k - 1) < far.get(k + 1));
      let x = down ? far.get(k + 1) : far.get(k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      far.set(k, x);
      if (x >= a.length && x - k >= b.length) return trace;
    }
  }
  return null;
}

function retrace(trace, n, m, gone, come) {
  let x = n;
  let y = m;
  for (let d = trace.length - 1; d > 0; d--) {
    const far = trace[d];
    const k = x - y;
    const down = k === -d || (k !== d && far.get(k - 1) < far.get(k + 1));
    const before = down ? k + 1 : k - 1;
    x = far.get(before);
    y = x - before;
    if (down) come.add(y);
    else gone.add(x);
  }
}

/** Neighbouring words of one kind joined; a space between two marked words is marked as well. */
function runs(words, marked) {
  const joined = [];
  words.forEach((word, i) => {
    const bridge = /^[ \t]+$/.test(word) && marked.has(i - 1) && marked.has(i + 1);
    const differs = marked.has(i) || bridge;
    const last = joined.at(-1);
    if (last && last[1] === differs) last[0] += word;
    else joined.push([word, differs]);
  });
  return joined;
}
