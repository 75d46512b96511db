"use strict";
// What both pages share: asking the central again and again, and showing whether it answers. No other server is asked.
// All addresses are relative, so that the pages work behind a proxy under any path.

const PATIENCE = 5000;
const SVG = "http://www.w3.org/2000/svg";

const at = (id) => document.getElementById(id);
const count = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const narrow = matchMedia("(max-width: 40rem)");
const many = (number, one, more) => `${count.format(number)} ${number === 1 ? one : more}`;

let known = null; // the last answer
let heard = 0; // when it came
let lost = false;

function text(id, value) {
  write(at(id), value);
}

function write(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

function announce(news) {
  at("news").textContent = news;
}

function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return many(whole, "second", "seconds");
  if (whole < 7200) return many(Math.floor(whole / 60), "minute", "minutes");
  return many(Math.floor(whole / 3600), "hour", "hours");
}

function path(kind, d) {
  const element = document.createElementNS(SVG, "path");
  element.setAttribute("class", kind);
  element.setAttribute("d", d);
  return element;
}

// The rows of the list. If it is long, only those in sight are in the document. `key` names an item, `make` makes a row
// for it, `fill` fills the row; `tall` returns the height of a row in CSS pixels, for a size of the text.
function longList({ key, make, fill, tall }) {
  const [list, body] = [at("list"), at("rows")];
  const rows = new Map();
  let items = [];
  const draw = () => {
    const height = tall(parseFloat(getComputedStyle(document.documentElement).fontSize));
    body.style.height = `${items.length * height}px`;
    const long = list.classList.contains("long");
    const first = long ? Math.max(0, Math.floor(list.scrollTop / height) - 4) : 0;
    const last = long ? Math.min(items.length, first + Math.ceil(list.clientHeight / height) + 9) : items.length;
    const seen = new Set();
    for (let place = first; place < last; place += 1) {
      const item = items[place];
      seen.add(key(item));
      const row = rows.get(key(item)) ?? make(item);
      rows.set(key(item), row);
      row.style.top = `${place * height}px`;
      row.style.height = `${height}px`;
      row.setAttribute("aria-rowindex", place + 1);
      fill(row, item);
    }
    for (const [name, row] of rows) {
      if (!seen.has(name)) {
        row.remove();
        rows.delete(name);
      }
    }
    items.slice(first, last).forEach((item, i) => {
      const row = rows.get(key(item));
      if (body.children[i] !== row) body.insertBefore(row, body.children[i] ?? null);
    });
  };
  list.addEventListener("scroll", draw, { passive: true });
  return {
    show(shown, long) {
      items = shown;
      list.classList.toggle("long", long);
      draw();
    },
  };
}

// Asks for `url` every `period` milliseconds, and hands the previous answer and the new one to `take`, which shows it.
// `title` returns the title of the window.
function watch(url, period, take, title) {
  const showLink = () => {
    at("link").dataset.state = lost ? "lost" : known ? "live" : "begins";
    text("link", lost ? "lost" : known ? "live" : "connecting");
    document.body.classList.toggle("lost", lost);
    at("lost").hidden = !lost;
    const ago = heard ? ` What is shown is ${duration((Date.now() - heard) / 1000)} old.` : "";
    text("lost", lost ? `The central does not answer.${ago} Trying again.` : "");
    document.title = lost ? `Lost · ${title(null)}` : title(known);
  };
  const ask = async () => {
    const began = performance.now();
    try {
      const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const now = await answer.json();
      heard = Date.now();
      if (lost) announce("The central answers again.");
      lost = false;
      const before = known;
      known = now;
      const { central } = now;
      text("central", `${central.name} · version ${central.version} · up ${duration(central.uptime_seconds)}`);
      showLink();
      take(before, now);
    } catch {
      if (!lost) announce("The central does not answer.");
      lost = true;
      showLink();
    }
    // Answers that take long are asked for less often, and so are those of a hidden page.
    const took = performance.now() - began;
    const pause = Math.max(period, took * 10) * (document.hidden ? 5 : 1);
    setTimeout(ask, Math.max(0, pause - took));
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && known) showLink();
  });
  setInterval(showLink, 1000);
  ask();
}
