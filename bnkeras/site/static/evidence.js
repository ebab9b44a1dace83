"use strict";
// The evidence page: rows unfold, filters hide rows, headings sort them. Without this file all rows stand unfolded.

const table = document.getElementById("claims");
const filters = document.getElementById("filters");
const rows = [...table.tBodies];
const button = row => row.querySelector(".unfold");
const more = row => document.getElementById(`${row.id}-more`);

function unfold(row, open) {
  button(row).setAttribute("aria-expanded", open);
  more(row).hidden = !open;
}

function matches(row, wanted) {
  const { paper, outcome } = row.dataset;
  const text = row.textContent.toLowerCase();
  return (!wanted.paper || paper === wanted.paper) && (!wanted.outcome || outcome === wanted.outcome) &&
    wanted.words.toLowerCase().split(/\s+/).every(word => text.includes(word));
}

function filter() {
  const wanted = Object.fromEntries(new FormData(filters));
  for (const row of rows) row.hidden = !matches(row, wanted);
  const shown = rows.filter(row => !row.hidden).length;
  document.getElementById("count").textContent =
    shown === rows.length ? `${shown} claims` : `${shown} of ${rows.length} claims`;
}

function value(row, key) {
  const text = row.dataset[key];
  return key === "paper" ? text : text === "" ? -Infinity : Number(text);
}

function sort(heading) {
  const { sort: key, number } = heading.dataset;
  const cell = heading.closest("th");
  const before = cell.getAttribute("aria-sort");
  // Numbers are of interest from the largest down.
  const order = (before ? before === "descending" : number === undefined) ? "ascending" : "descending";
  for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  cell.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  rows.sort((a, b) => sign * compare(value(a, key), value(b, key)) ||
    a.dataset.order - b.dataset.order);
  table.append(...rows);
}

function show() {
  const row = rows.find(each => each.id === location.hash.slice(1));
  if (!row) return;
  if (row.hidden) { filters.reset(); filter(); }
  unfold(row, true);
  row.scrollIntoView();
}

for (const row of rows) {
  unfold(row, false);
  row.querySelector(".claim").addEventListener("click", () => {
    if (!String(getSelection())) unfold(row, more(row).hidden);
  });
}
for (const heading of table.querySelectorAll("button[data-sort]")) {
  heading.addEventListener("click", () => sort(heading));
}
for (const [name, wanted] of new URLSearchParams(location.search)) {
  if (filters.elements[name]) filters.elements[name].value = wanted;
}
filters.addEventListener("input", filter);
filters.addEventListener("submit", event => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(filter));
window.addEventListener("hashchange", show);
filter();
show();
