// Shows how the lottery stands.

const MANY = 24;

const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

const kindOf = (agency) => (agency.finished ? "finished" : agency.bets > 0 ? "sending" : "silent");
const takesPart = (lottery) => (agency) => lottery.agencies_expected === 0 || agency.id <= lottery.agencies_expected;

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
  text("bets", count.format(lottery.bets));
  text("speed", count.format(lottery.bets_per_second));
  at("unready").hidden = !central.unavailable;
  text("unready", central.unavailable ? `No bets are taken now: ${central.unavailable}` : "");
  showPlot(lottery);
  showDraw(lottery);
  showAgencies(lottery);
}

function titleOf(lottery) {
  if (lottery && lottery.state === "drawn") return "Drawn · Lottery";
  const part = lottery && lottery.agencies_expected ? `${lottery.agencies_finished} of ${lottery.agencies_expected} · ` : "";
  return `${part}Lottery`;
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

// --- the list

let largest = 1; // bets of the agency that has most

const list = longList({
  key: (agency) => agency.id,
  make: (agency) => newRow(agency.id),
  fill,
  tall: (size) => (narrow.matches ? 84 : Math.round(size * 2.7)),
});

function showAgencies(lottery) {
  const long = lottery.agencies.length > MANY;
  at("tools").hidden = !long;
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
  const shown = lottery.agencies.filter((agency) => fits(agency) && String(agency.id).startsWith(find));
  if (order !== "id") shown.sort((a, b) => (b[order] ?? 0) - (a[order] ?? 0) || a.id - b.id);
  at("none").hidden = shown.length > 0;
  text("none", lottery.agencies.length > 0 ? "No agency fits." : "No agency has sent anything yet.");
  at("list").setAttribute("aria-rowcount", shown.length);
  largest = lottery.agencies.reduce((most, agency) => Math.max(most, agency.bets), 1);
  list.show(shown, long);
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

function fill(row, agency) {
  const [, bar, bets, state, won] = row.children;
  row.dataset.kind = kindOf(agency);
  bar.firstChild.style.width = `${(100 * agency.bets) / largest}%`;
  write(bets, narrow.matches || agency.bets < 1e7 ? many(agency.bets, "bet", "bets") : `${short.format(agency.bets)} bets`);
  const states = { finished: "✓ finished", sending: agency.connected ? "under way" : "not connected", silent: agency.connected ? "connected" : "nothing yet" };
  write(state, states[row.dataset.kind]);
  won.classList.toggle("some", agency.winners > 0);
  write(won, agency.winners === undefined ? "" : many(agency.winners, "winner", "winners"));
}

for (const id of ["find", "show", "order"]) {
  at(id).addEventListener("input", () => {
    at("list").scrollTop = 0;
    if (known) showAgencies(known);
  });
}
at("tools").addEventListener("submit", (event) => event.preventDefault());
addEventListener("resize", () => known && show(known));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => known && show(known));
watch(
  "api/lottery",
  1000,
  (before, now) => {
    tellNews(before, now);
    show(now);
  },
  titleOf,
);
