// The keys of every page: rows are links with `data-row`, pages are links with rel=next, prev and up.
"use strict";
(() => {
  const first = (selector) => document.querySelector(selector);
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const typing = (node) => node.matches("input:not([type=radio]):not([type=checkbox]), select, textarea");

  /** Move the focus by so many rows; from nowhere to the first. */
  function step(by) {
    const all = rows();
    const at = all.indexOf(document.activeElement);
    const to = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by];
    to?.focus();
  }

  function follow(kind) {
    first(`a[rel~=${kind}]`)?.click();
  }

  const keys = {
    j: () => step(1), ArrowDown: () => step(1),
    k: () => step(-1), ArrowUp: () => step(-1),
    n: () => follow("next"), p: () => follow("prev"),
    "/": () => first("input[type=search]")?.focus(),
    "?": () => first("#keys").showModal(),
    Escape: () => follow("up"),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (first("dialog[open]")) return; // it has its own keys
    const { target } = event;
    if (typing(target)) {
      if (event.key === "Escape") target.blur();
      return;
    }
    const arrow = event.key.startsWith("Arrow");
    if (arrow && (target.matches("input, [role=region]") || !rows().length)) return; // those scroll, or choose
    if (event.key in keys) {
      event.preventDefault();
      keys[event.key]();
    }
  });
  // A choice of radio buttons needs no button.
  first("form[data-submit]")?.addEventListener("change", (event) => {
    const { form } = event.target;
    if (form.elements.left.value && form.elements.right.value) form.requestSubmit();
  });

  /** Ask how far a run is, until it has ended. */
  async function watch(node) {
    const run = node.dataset.live;
    let wait = 1000;
    try {
      const answer = await fetch(`/live/${encodeURIComponent(run)}`);
      if (!answer.ok) return;
      const { state, said, done } = await answer.json();
      node.textContent = said;
      const bar = first(`[data-progress="${CSS.escape(run)}"]`);
      if (bar) bar.value = done;
      if (state === "finished") {
        if ("reload" in node.dataset) location.reload();
        return;
      }
      if (state === "stopped") wait = 15000;
    } catch {
      wait = 15000; // the server has ended, or comes back
    }
    setTimeout(() => watch(node), wait);
  }
  for (const node of document.querySelectorAll("[data-live]")) setTimeout(() => watch(node), 1000);

  document.documentElement.dataset.ready = "true";
})();
