"use strict";
// Without this the page shows everything but the figures under the pointer.
const read = JSON.parse(document.getElementById("readout").textContent);
const charts = [...document.querySelectorAll("svg[data-chart]")];
const tip = document.getElementById("tip");

function place(svg, time) {
  const {left, right, end} = svg.dataset;
  return +left + Math.min(1, time / end) * (right - left);
}

function nearest(svg, event) {
  const box = svg.getBoundingClientRect();
  const {left, right, width, end} = svg.dataset;
  const x = (event.clientX - box.left) / box.width * width;
  const time = (x - left) / (right - left) * end;
  let best = 0;
  read.t.forEach((t, index) => {
    if (Math.abs(t - time) < Math.abs(read.t[best] - time)) best = index;
  });
  return best;
}

function show(svg, event) {
  if (!read.t.length) return;
  const index = nearest(svg, event);
  for (const other of charts) {
    const cross = other.querySelector(".cross"), x = place(other, read.t[index]);
    cross.setAttribute("x1", x);
    cross.setAttribute("x2", x);
    cross.classList.add("on");
  }
  const when = document.createElement("b");
  when.textContent = read.when[index];
  const rows = read.charts[svg.dataset.chart].map((line) => {
    const row = document.createElement("div"), key = document.createElement("span");
    key.className = "key " + line.class;
    key.textContent = line.title;
    row.append(key, line.values[index] ?? "\u2013");
    return row;
  });
  tip.replaceChildren(when, ...rows);
  tip.classList.add("on");
  const {offsetWidth: width, offsetHeight: height} = tip;
  const beyond = event.clientX + 16 + width > document.documentElement.clientWidth;
  const left = beyond ? event.clientX - 16 - width : event.clientX + 16;
  const top = Math.min(event.clientY + 12, innerHeight - height - 4);
  tip.style.left = Math.max(4, left) + "px";
  tip.style.top = Math.max(4, top) + "px";
}

function hide() {
  tip.classList.remove("on");
  for (const svg of charts) svg.querySelector(".cross").classList.remove("on");
}

for (const svg of charts) {
  svg.addEventListener("pointermove", (event) => show(svg, event));
  svg.addEventListener("pointerdown", (event) => show(svg, event));
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("pointercancel", hide);
}
addEventListener("scroll", hide, {passive: true});
