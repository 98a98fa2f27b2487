"use strict";
// A click (or Enter) on a heading sorts its table by that column: counts and severities from the
// highest, texts from A; a second one turns it round.
const ranks = {LOW: 0, MEDIUM: 1, HIGH: 2, CRITICAL: 3, "NOT ASSESSED": 0, PASS: 1, WARN: 2, FAIL: 3};
const key = cell => {
  const text = cell.textContent;
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  if (Object.hasOwn(ranks, text)) return ranks[text];
  return /^[+-][\d,.]+( %)?$/.test(text) ? parseFloat(text.replaceAll(",", "")) : text;
};
const order = (a, b) => typeof a === "number" && typeof b === "number"
  ? a - b : String(a).localeCompare(String(b), "en", {numeric: true});
for (const heading of document.querySelectorAll("th")) {
  heading.tabIndex = 0;
  const sort = () => {
    const table = heading.closest("table"), body = table.tBodies[0], at = heading.cellIndex;
    const rows = [...body.rows].filter(row => row.cells.length > at);
    if (!rows.length) return;
    const usual = typeof key(rows[0].cells[at]) === "number" ? "descending" : "ascending";
    const turned = {ascending: "descending", descending: "ascending"}[heading.ariaSort];
    const way = turned ?? usual;
    rows.sort((a, b) => (way === "descending" ? -1 : 1) * order(key(a.cells[at]), key(b.cells[at])));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.ariaSort = way;
    body.append(...rows);
  };
  heading.addEventListener("click", sort);
  heading.addEventListener("keydown", event => { if (event.key === "Enter") sort(); });
}
