"use strict";
(() => {
  const RANK = { info: 1, low: 2, medium: 3, high: 4, critical: 5 };
  // Keys are compared as plain text, which a collator does ten times slower: numbers are padded instead.
  const sortable = (text) => text.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));
  const make = (name, properties) => Object.assign(document.createElement(name), properties);

  for (const table of document.querySelectorAll("table.data")) {
    const body = table.tBodies[0];
    const title = table.parentElement.querySelector("h2").firstChild.textContent.trim();
    const rows = Array.from(body.rows, (row, at) => ({ row, at, rank: RANK[row.dataset.s] || 0, text: null }));

    const key = (cell) => (cell.dataset.v !== undefined ? cell.dataset.v : (cell.querySelector("summary") || cell).textContent);
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      const button = make("button", { type: "button", textContent: head.textContent });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending" ||
          ["Findings", "Severity", "Verdict"].includes(head.textContent) && !head.hasAttribute("aria-sort");
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const keyed = rows.map((item) => ({ item, key: sortable(key(item.row.children[column])) }));
        const up = down ? -1 : 1;
        keyed.sort((a, b) => (a.key < b.key ? -up : a.key > b.key ? up : a.item.at - b.item.at));
        // Off the page while rows move: each move there costs a look at the styles of all.
        body.remove();
        for (const pair of keyed) body.append(pair.item.row);
        table.append(body);
      });
    });

    const bar = make("div", { className: "bar" });
    const words = make("input", { type: "search", placeholder: "Filter", autocomplete: "off", spellcheck: false });
    words.setAttribute("aria-label", "Filter " + title.toLowerCase());
    bar.append(words);
    const least = make("select", {});
    if (rows.some((item) => item.rank)) {
      least.setAttribute("aria-label", "Least severity of " + title.toLowerCase());
      for (const [text, value] of [["All severities", 0], ["Critical", 5], ["High and above", 4], ["Medium and above", 3]]) {
        least.append(make("option", { textContent: text, value }));
      }
      bar.append(least);
    }
    const shown = make("output", {});
    shown.setAttribute("aria-live", "polite");
    bar.append(shown);
    table.before(bar);

    const filter = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      const rank = Number(least.value) || 0;
      let count = 0;
      for (const item of rows) {
        if (wanted.length && item.text === null) item.text = item.row.textContent.toLowerCase();
        const keep = item.rank >= rank && wanted.every((word) => item.text.includes(word));
        if (item.row.hidden === keep) item.row.hidden = !keep;
        count += keep;
      }
      shown.textContent = count === rows.length ? "" : count + " of " + rows.length;
    };
    let timer = 0;
    words.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(filter, 120); });
    words.addEventListener("keydown", (event) => { if (event.key === "Escape") { words.value = ""; filter(); } });
    least.addEventListener("change", filter);
    // A link to a row that is filtered away shows it again.
    window.addEventListener("hashchange", () => {
      const target = document.getElementById(location.hash.slice(1));
      if (target && target.hidden && body.contains(target)) {
        words.value = "";
        least.value = "0";
        filter();
        target.scrollIntoView();
      }
    });
  }
})();
