"use strict";
// Asks the central how the lottery stands, again and again, and shows it. Nothing is asked of anybody else.

const PERIOD = 1000;
const PATIENCE = 5000;
const MANY = 24;
const SVG = "http://www.w3.org/2000/svg";

const at = (id) => document.getElementById(id);
const count = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const narrow = matchMedia("(max-width: 40rem)");

const kindOf = (agency) => (agency.finished ? "finished" : agency.bets > 0 ? "sending" : "silent");
const many = (number, one, more) => `${count.format(number)} ${number === 1 ? one : more}`;
const takesPart = (lottery) => (agency) => lottery.agencies_expected === 0 || agency.id <= lottery.agencies_expected;

let known = null; // the last answer
let heard = 0; // when it came
let lost = false;

function text(id, value) {
  const element = at(id);
  if (element.textContent !== value) element.textContent = value;
}

function announce(news) {
  at("news").textContent = news;
}

// --- asking

async function ask() {
  const began = performance.now();
  try {
    const answer = await fetch("/api/lottery", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const lottery = await answer.json();
    heard = Date.now();
    if (lost) announce("The central answers again.");
    lost = false;
    tellNews(known, lottery);
    known = lottery;
    show(lottery);
  } catch {
    if (!lost) announce("The central does not answer.");
    lost = true;
    showLink();
  }
  // Long answers are asked for less often, and so is what nobody sees.
  const took = performance.now() - began;
  const pause = Math.max(PERIOD, took * 10) * (document.hidden ? 5 : 1);
  setTimeout(ask, Math.max(0, pause - took));
}

function tellNews(before, now) {
  if (!before) return;
  if (before.state !== "drawn" && now.state === "drawn") {
    announce(`The draw is done. The number ${now.winner_number} wins, ${many(winnersOf(now), "bet has won", "bets have won")}.`);
    return;
  }
  const finished = new Set(before.agencies.filter((agency) => agency.finished).map((agency) => agency.id));
  const fresh = now.agencies.filter((agency) => agency.finished && !finished.has(agency.id));
  if (fresh.length === 1) announce(`Agency ${fresh[0].id} has finished.`);
  else if (fresh.length > 1) announce(`${count.format(fresh.length)} more agencies have finished.`);
}

// --- showing

function show(lottery) {
  const { central } = lottery;
  text("central", `${central.name} · version ${central.version} · up ${duration(central.uptime_seconds)}`);
  text("bets", count.format(lottery.bets));
  text("speed", count.format(lottery.bets_per_second));
  at("unready").hidden = !central.unavailable;
  text("unready", central.unavailable ? `No bets are taken now: ${central.unavailable}` : "");
  showLink();
  showPlot(lottery);
  showDraw(lottery);
  showAgencies(lottery);
}

function showLink() {
  at("link").dataset.state = lost ? "lost" : known ? "live" : "begins";
  text("link", lost ? "lost" : known ? "live" : "connecting");
  document.body.classList.toggle("lost", lost);
  at("lost").hidden = !lost;
  const ago = heard ? ` What is shown is ${duration((Date.now() - heard) / 1000)} old.` : "";
  text("lost", lost ? `The central does not answer.${ago} Trying again.` : "");
  const part = known && known.agencies_expected ? `${known.agencies_finished} of ${known.agencies_expected} · ` : "";
  document.title = lost ? "Lost · Lottery" : known && known.state === "drawn" ? "Drawn · Lottery" : `${part}Lottery`;
}

function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return many(whole, "second", "seconds");
  if (whole < 7200) return many(Math.floor(whole / 60), "minute", "minutes");
  return many(Math.floor(whole / 3600), "hour", "hours");
}

function showPlot(lottery) {
  const samples = [...lottery.history, [0, lottery.bets]];
  const plot = at("plot");
  const span = Math.max(60, samples[0][0]);
  const [width, height, strip] = [1000, 100, 28];
  const top = Math.max(1, ...samples.map((sample) => sample[1]));
  const x = (ago) => width - (ago / span) * width;
  const y = (bets) => height - strip - 6 - (bets / top) * (height - strip - 10);
  const rates = samples.slice(1).map(([ago, bets], i) => {
    const [before, less] = samples[i];
    return { from: x(before), to: x(ago), rate: Math.max(0, bets - less) / Math.max(0.5, before - ago) };
  });
  const fastest = Math.max(1, ...rates.map((rate) => rate.rate));
  const points = samples.map(([ago, bets]) => `${x(ago).toFixed(1)},${y(bets).toFixed(1)}`).join(" L");
  const bars = rates.filter((rate) => rate.rate > 0).map(({ from, to, rate }) => {
    const tall = Math.max(0.8, (rate / fastest) * strip);
    return `M${(from + 0.4).toFixed(1)},${height}V${(height - tall).toFixed(1)}H${(to - 0.4).toFixed(1)}V${height}Z`;
  });
  plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
  plot.setAttribute("preserveAspectRatio", "none");
  plot.replaceChildren(
    path("area", `M${x(samples[0][0]).toFixed(1)},${y(0)} L${points} L${width},${y(0)}Z`),
    path("line", `M${points}`),
    path("base", `M0,${y(0)}H${width}`),
    path("rate", bars.join("")),
    path("base", `M0,${height}H${width}`),
  );
  text("since", `${duration(span)} ago`);
  text("fastest", rates.length > 1 ? `fastest: ${count.format(fastest)} a second` : "");
  plot.setAttribute(
    "aria-label",
    `Total of bets, and bets a second below it, over ${duration(span)}: from ${count.format(samples[0][1])} to ` +
      `${count.format(lottery.bets)}, at most ${count.format(fastest)} a second`,
  );
}

function path(kind, d) {
  const element = document.createElementNS(SVG, "path");
  element.setAttribute("class", kind);
  element.setAttribute("d", d);
  return element;
}

const winnersOf = (lottery) => lottery.agencies.reduce((sum, agency) => sum + (agency.winners ?? 0), 0);

function showDraw(lottery) {
  const agencies = lottery.agencies.filter(takesPart(lottery));
  const missing = agencies.filter((agency) => !agency.finished);
  const drawn = lottery.state === "drawn";
  let [stage, detail] = ["", ""];
  if (drawn) {
    stage = "Drawn";
    const lucky = lottery.agencies.filter((agency) => agency.winners > 0).length;
    detail = `${many(winnersOf(lottery), "bet has won", "bets have won")}, at ${many(lucky, "agency", "agencies")}.`;
  } else if (lottery.state === "drawing") {
    [stage, detail] = ["Drawing", "All agencies have finished. The winners are being counted."];
  } else if (lottery.agencies_expected === 0) {
    [stage, detail] = ["No draw", "Anyone may take part in this lottery, and nothing is drawn."];
  } else {
    stage = `Waiting for ${many(missing.length, "agency", "agencies")}`;
    const first = missing.slice(0, 12).map((agency) => agency.id).join(", ");
    const more = missing.length > 12 ? ` and ${count.format(missing.length - 12)} more` : "";
    detail = missing.length < agencies.length ? `Not finished: ${first}${more}.` : "No agency has finished yet.";
  }
  text("stage", stage);
  text("detail", detail);
  at("number").hidden = !drawn;
  if (drawn && at("number").dataset.number !== String(lottery.winner_number)) {
    at("number").dataset.number = lottery.winner_number;
    const digits = [...String(lottery.winner_number)].map((digit) => {
      const box = document.createElement("span");
      box.textContent = digit;
      box.setAttribute("aria-hidden", "true");
      return box;
    });
    const spoken = document.createElement("b");
    spoken.className = "hidden";
    spoken.textContent = `The number ${lottery.winner_number} wins.`;
    at("number").replaceChildren(spoken, ...digits);
  }
  const kinds = { finished: 0, sending: 0, silent: 0 };
  for (const agency of agencies) kinds[kindOf(agency)] += 1;
  for (const [kind, number] of Object.entries(kinds)) {
    text(kind, count.format(number));
    const part = at("share").querySelector(`[data-kind="${kind}"]`);
    part.style.width = `${(100 * number) / Math.max(1, agencies.length)}%`;
  }
  at("share").setAttribute(
    "aria-label",
    `${kinds.finished} agencies have finished, ${kinds.sending} are under way, ${kinds.silent} have sent nothing yet`,
  );
  showBalls(agencies);
  showMap(agencies);
}

// --- few agencies: a ball each, filled once it has finished

function showBalls(agencies) {
  const balls = at("balls");
  balls.hidden = agencies.length > MANY || agencies.length === 0;
  if (balls.hidden) return;
  while (balls.children.length > agencies.length) balls.lastChild.remove();
  agencies.forEach((agency, i) => {
    const ball = balls.children[i] ?? balls.appendChild(document.createElement("span"));
    if (ball.textContent !== String(agency.id)) ball.textContent = agency.id;
    ball.dataset.kind = kindOf(agency);
  });
}

// --- many agencies: a square each

function showMap(agencies) {
  const map = at("map");
  map.hidden = agencies.length <= MANY;
  if (map.hidden) return;
  const scale = devicePixelRatio || 1;
  const width = map.clientWidth || map.parentElement.clientWidth;
  const cell = Math.max(4, Math.min(18, Math.floor(Math.sqrt((width * 220) / agencies.length))));
  const columns = Math.max(1, Math.floor(width / cell));
  const height = Math.ceil(agencies.length / columns) * cell;
  map.width = width * scale;
  map.height = height * scale;
  map.style.height = `${height}px`;
  const style = getComputedStyle(document.documentElement);
  const colour = (kind) => style.getPropertyValue(`--${kind}`);
  const colours = { finished: colour("finished"), sending: colour("sending"), silent: colour("track") };
  const pen = map.getContext("2d");
  pen.scale(scale, scale);
  const gap = cell > 6 ? 2 : 1;
  agencies.forEach((agency, i) => {
    pen.fillStyle = colours[kindOf(agency)];
    pen.fillRect((i % columns) * cell, Math.floor(i / columns) * cell, cell - gap, cell - gap);
  });
}

// --- the list: only the rows in sight are in the document

let shown = [];
const rows = new Map();

function showAgencies(lottery) {
  const long = lottery.agencies.length > MANY;
  at("tools").hidden = !long;
  at("list").classList.toggle("long", long);
  at("list").classList.toggle("drawn", lottery.state === "drawn");
  const find = long ? at("find").value.trim() : "";
  const wanted = long ? at("show").value : "all";
  const order = long ? at("order").value : "id";
  const fits = {
    all: () => true,
    open: (agency) => !agency.finished,
    silent: (agency) => kindOf(agency) === "silent",
    finished: (agency) => agency.finished,
  }[wanted];
  shown = lottery.agencies.filter((agency) => fits(agency) && String(agency.id).startsWith(find));
  if (order !== "id") shown.sort((a, b) => (b[order] ?? 0) - (a[order] ?? 0) || a.id - b.id);
  at("none").hidden = shown.length > 0;
  text("none", lottery.agencies.length > 0 ? "No agency fits." : "No agency has sent anything yet.");
  at("list").setAttribute("aria-rowcount", shown.length);
  showRows();
}

function showRows() {
  const list = at("list");
  const tall = narrow.matches ? 84 : Math.round(parseFloat(getComputedStyle(document.documentElement).fontSize) * 2.7);
  const largest = known.agencies.reduce((most, agency) => Math.max(most, agency.bets), 1);
  at("rows").style.height = `${shown.length * tall}px`;
  const long = list.classList.contains("long");
  const first = long ? Math.max(0, Math.floor(list.scrollTop / tall) - 4) : 0;
  const last = long ? Math.min(shown.length, first + Math.ceil(list.clientHeight / tall) + 9) : shown.length;
  const seen = new Set();
  for (let place = first; place < last; place += 1) {
    const agency = shown[place];
    seen.add(agency.id);
    let row = rows.get(agency.id);
    if (!row) {
      row = newRow(agency.id);
      rows.set(agency.id, row);
    }
    fill(row, agency, place, tall, largest);
  }
  for (const [id, row] of rows) {
    if (!seen.has(id)) {
      row.remove();
      rows.delete(id);
    }
  }
  const ordered = shown.slice(first, last).map((agency) => rows.get(agency.id));
  ordered.forEach((row, i) => {
    if (at("rows").children[i] !== row) at("rows").insertBefore(row, at("rows").children[i] ?? null);
  });
}

function newRow(id) {
  const row = document.createElement("div");
  row.className = "row";
  row.setAttribute("role", "row");
  for (const kind of ["id", "bar", "bets", "state", "won"]) {
    const cell = document.createElement("div");
    cell.className = kind;
    if (kind === "bar") {
      cell.setAttribute("aria-hidden", "true");
      cell.append(document.createElement("i"));
    } else {
      cell.setAttribute("role", kind === "id" ? "rowheader" : "cell");
    }
    row.append(cell);
  }
  row.children[0].textContent = `Agency ${id}`;
  return row;
}

function fill(row, agency, place, tall, largest) {
  const [, bar, bets, state, won] = row.children;
  row.dataset.kind = kindOf(agency);
  row.style.top = `${place * tall}px`;
  row.style.height = `${tall}px`;
  row.setAttribute("aria-rowindex", place + 1);
  bar.firstChild.style.width = `${(100 * agency.bets) / largest}%`;
  const write = (cell, value) => {
    if (cell.textContent !== value) cell.textContent = value;
  };
  write(bets, narrow.matches || agency.bets < 1e7 ? many(agency.bets, "bet", "bets") : `${short.format(agency.bets)} bets`);
  const states = { finished: "✓ finished", sending: agency.connected ? "under way" : "not connected", silent: agency.connected ? "connected" : "nothing yet" };
  write(state, states[row.dataset.kind]);
  won.classList.toggle("some", agency.winners > 0);
  write(won, agency.winners === undefined ? "" : many(agency.winners, "winner", "winners"));
}

at("list").addEventListener("scroll", () => known && showRows(), { passive: true });
for (const id of ["find", "show", "order"]) {
  at(id).addEventListener("input", () => {
    at("list").scrollTop = 0;
    if (known) showAgencies(known);
  });
}
at("tools").addEventListener("submit", (event) => event.preventDefault());
addEventListener("resize", () => known && show(known));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => known && show(known));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && known) showLink();
});
setInterval(showLink, 1000);
ask();
