// Shows the loop of the central: its turns, its connections, and what each call on a stream came to.

// What names of `/api/loop` mean, a sentence each.
const STATES = {
  sniffing: "no byte has come yet: text, a frame or a TLS session may begin",
  echoing: "a line of text is coming, and goes back",
  handshaking: "a TLS session is being made: each side shows its certificate",
  in_clear: "a frame comes without TLS where only TLS is spoken: it will be refused",
  open: "its frames are served as they come",
  reading: "its agency is being read from the database",
  committing: "its replies wait until its bets are stored",
  held: "its winners query waits for the draw; until then it costs nothing",
  draining: "nothing more of it is served; the last replies go out",
  drained: "the last reply is out; what still comes is read away",
  closed: "its slot is about to be freed",
};
const WAITS = {
  nothing: "nothing: nobody owes anybody anything",
  first_byte: "the peer's first byte",
  rest: "the rest of what the peer began to send",
  replies_taken: "the peer to read its replies",
  close: "the peer to close its side",
  turn: "its next turn",
  read: "the database",
  commit: "the commit of its bets",
  draw: "the draw",
};
const CALLS = {
  reads: {
    full: ["the space offered was filled: more may wait", 1],
    short: ["fewer bytes than the space: all that was there has been read", 0.35],
    would_block: ["nothing there yet: the next event tells when to read again", 0],
    end: ["the peer has finished writing", 0],
    error: ["the stream has failed, for example by a reset", 0],
  },
  writes: {
    whole: ["all that was offered went out", 1],
    short: ["the peer does not read as fast as it is written to; the rest stays in its outbox", 0.35],
    would_block: ["nothing was taken: the next event tells when to write again", 0],
    error: ["the stream has failed: the peer is gone", 0],
  },
};
const PHASES = {
  wait: "in the poll, until something happens",
  mark: "notes who is ready",
  serve: "reads, decodes and judges requests",
  commit: "makes all bets of the turn durable, with one sync",
  draw: "counts winners, a slice a turn",
  send: "writes replies",
  reap: "frees the slots of those that ended",
  http: "answers this page and others like it",
};
const REASONS = {
  accepted: "connections were taken in since the start",
  finished: "ended in order",
  reset: "ended by a reset or a failed stream",
  timed_out: "let the central wait for too long",
  fenced: "were replaced by a newer connection of the same upload",
  evicted: "gave way, since memory or places were short",
  broken_frame: "sent what is no frame",
  dropped: "were dropped with what they were owed",
  shutdown: "were closed because the central stopped",
};
const WINDOW = 5; // seconds that the bar of the turn covers

let connections = [];

const words = (name) => name.replaceAll("_", " ");
const decimal = (number) => (number < 10 ? number.toFixed(1) : count.format(number));
const bytes = (number) => {
  if (number < 10_000) return `${count.format(number)} ${number === 1 ? "byte" : "bytes"}`;
  if (number < 10_000_000) return `${count.format(number / 1e3)} kB`;
  return `${count.format(number / 1e6)} MB`;
};

function show(answer) {
  connections = connectionsOf(answer);
  showSlab(answer, connections);
  showCrowd(answer);
  showCell();
  showTurn(answer.turns);
  showCalls(answer);
  showEnds(answer);
  showPeers();
}

// Gives a list one child for each item; a child is made once and filled each time.
function fillAll(list, items, make, fill) {
  while (list.children.length > items.length) list.lastChild.remove();
  items.forEach((item, i) => fill(list.children[i] ?? list.appendChild(make(item)), item));
}

function element(kind, name, ...children) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  made.append(...children);
  return made;
}

// A figure: its name, its number and a sentence.
const newFigure = () => element("div", "", element("dt"), element("dd"), element("dd", "means"));
function fillFigure(figure, [name, value, sentence]) {
  [name, value, sentence].forEach((part, i) => write(figure.children[i], part));
}

// --- the slab and one of its cells

function showCrowd(answer) {
  const { slots: used, left_out: more } = answer.connections;
  const { partial_frames: partial, ready } = answer.totals;
  text(
    "crowd",
    `${many(connections.length + more, "connection", "connections")} in ${many(used, "slot", "slots")}, ${count.format(partial)} in the ` +
      `middle of a frame, ${count.format(ready)} ready${more ? ` (${count.format(more)} are not shown)` : ""}`,
  );
  const counts = new Map();
  for (const { state } of connections) counts.set(state, (counts.get(state) ?? 0) + 1);
  const make = () => element("li", "", element("b"), " ", element("span"));
  fillAll(at("states"), answer.states.filter((state) => counts.has(state)), make, (item, state) => {
    item.dataset.state = state;
    item.title = STATES[state] ?? "";
    write(item.firstChild, count.format(counts.get(state)));
    write(item.lastChild, words(state));
  });
}

const sentenceOf = (connection) =>
  `Slot ${connection.slot}, ${connection.agency === null ? "no agency" : `agency ${connection.agency}`}, ${words(connection.state)}: ` +
  `waits for ${WAITS[connection.waits] ?? words(connection.waits)}. Inbox ${bytes(connection.inbox)}, outbox ${bytes(connection.outbox)}.`;

function frameText({ frame_had: had, frame_size: size }) {
  if (size > 0) return `${count.format(had)} of ${bytes(size)} are there`;
  return had > 0 ? `${had} of the 4 bytes of its length are there` : "none has begun";
}

function showCell() {
  const slot = pointed ?? chosen;
  const connection = slot === null ? null : slots[slot];
  at("cell").classList.toggle("chosen", slot !== null);
  at("facts").hidden = at("outcomes").hidden = !connection;
  at("cell").dataset.state = connection ? connection.state : "";
  if (slot === null) {
    text("cell-title", "None is chosen");
    text("cell-means", "Point at a cell, tap it, or go to the cells with Tab and choose one with the arrow keys.");
    return;
  }
  if (!connection) {
    text("cell-title", `Slot ${slot} is free`);
    text("cell-means", "The next connection may get it.");
    return;
  }
  const { bounds } = known;
  const agency = connection.agency === null ? "no agency yet" : `agency ${connection.agency}`;
  text("cell-title", `Slot ${slot} · ${agency} · ${words(connection.state)}`);
  text("cell-means", `${words(connection.state)}: ${STATES[connection.state] ?? ""}`);
  const facts = [
    ["waits for", WAITS[connection.waits] ?? words(connection.waits)],
    ["frame", frameText(connection)],
    ["inbox", `${bytes(connection.inbox)} of ${bytes(bounds.inbox)}`],
    ["outbox", `${bytes(connection.outbox)} of ${bytes(bounds.outbox)}`],
    ["received", bytes(connection.received)],
    ["sent", bytes(connection.sent)],
    ["age", `${duration(connection.age)}; connection number ${count.format(connection.serial + 1)}`],
  ];
  fillAll(at("facts"), facts, () => element("div", "", element("dt"), element("dd")), (fact, [name, value]) => {
    write(fact.firstChild, name);
    write(fact.lastChild, value);
  });
  const groups = [
    ["in", "reads", "read", known.reads],
    ["out", "writes", "write", known.writes],
  ];
  const newGroup = () => element("div", "", element("h3"), element("ul", "counts"));
  fillAll(at("outcomes"), groups, newGroup, (group, [way, title, prefix, outcomes]) => {
    group.dataset.way = way;
    write(group.firstChild, title);
    fillAll(group.lastChild, outcomes, () => element("li", "", element("b"), element("span")), (item, outcome) => {
      write(item.firstChild, count.format(connection[`${prefix}_${outcome}`]));
      write(item.lastChild, words(outcome));
    });
  });
}

// --- the turn

function showTurn({ phases, columns: names, rows }) {
  const place = (name) => names.indexOf(name);
  const recent = rows.filter((row) => row[place("ago")] <= WINDOW);
  const sum = (name) => recent.reduce((total, row) => total + row[place(name)], 0);
  const spent = Object.fromEntries(phases.map((phase) => [phase, sum(phase)]));
  const all = Math.max(1e-9, Object.values(spent).reduce((total, time) => total + time, 0));
  const busy = all - (spent.wait ?? 0);
  const [turns, events, served] = ["turns", "events", "served"].map(sum);
  const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;
  text("busy", recent.length > 0 ? `${percent(busy / all)} of the time at work` : "–");
  const parts = (id, of, total) => {
    fillAll(at(id), of, () => element("span"), (part, phase) => {
      part.dataset.phase = phase;
      part.style.width = `${(100 * spent[phase]) / Math.max(1e-9, total)}%`;
    });
  };
  parts("time", phases, all);
  parts("work", phases.filter((phase) => phase !== "wait"), busy);
  at("time").setAttribute("aria-label", phases.map((phase) => `${phase} ${percent(spent[phase] / all)}`).join(", "));
  const newPhase = () => element("li", "", element("b"), element("span"), element("small"));
  fillAll(at("phases"), phases, newPhase, (item, phase) => {
    item.dataset.phase = phase;
    [phase, percent(spent[phase] / all), PHASES[phase] ?? ""].forEach((part, i) => write(item.children[i], part));
  });
  const seconds = Math.max(1, ...recent.map((row) => row[place("ago")]));
  const figures = [
    ["turns a second", decimal(turns / seconds), "how often the loop goes round; an idle loop hardly does"],
    ["events a poll", decimal(events / Math.max(1, turns)), "readiness that the kernel tells at once; more under load: one call for many"],
    ["connections a turn", decimal(served / Math.max(1, turns)), "how many share a turn, and its one sync"],
  ];
  fillAll(at("figures"), figures, newFigure, fillFigure);
}

// --- reads and writes

function showCalls(answer) {
  const { columns: names, rows } = answer.history;
  const prefixes = { reads: "read", writes: "write" };
  for (const [group, prefix] of Object.entries(prefixes)) {
    const items = answer[group].map((outcome, i) => {
      const at = names.indexOf(`${prefix}_${outcome}`);
      const samples = rows.map((row) => [row[0], row[at]]);
      return { group, outcome, total: answer.totals[group][i], rates: ratesOf([...samples, [0, answer.totals[group][i]]]) };
    });
    fillAll(at(group), items, newCall, fillCall);
  }
  for (const name of ["received", "sent"]) {
    const samples = rows.map((row) => [row[0], row[names.indexOf(name)]]);
    const last = ratesOf([...samples, [0, answer.totals[name]]]).at(-1);
    text(name, `${bytes(Math.round(last ? last.rate : 0))} a second`);
  }
}

// Rates per second from samples of a total, each with its age in seconds, oldest first. Intervals that are too short
// are left out.
function ratesOf(samples) {
  const rates = [];
  for (let i = 1; i < samples.length; i += 1) {
    const [[from, before], [to, after]] = [samples[i - 1], samples[i]];
    if (from - to >= 0.4) rates.push({ from, to, rate: Math.max(0, after - before) / (from - to) });
  }
  return rates;
}

function newCall({ group, outcome }) {
  const [sentence, taken] = CALLS[group][outcome] ?? ["", 0];
  const glyph = element("i", "glyph", element("u"));
  glyph.dataset.outcome = outcome;
  glyph.firstChild.style.width = `${100 * taken}%`;
  glyph.setAttribute("aria-hidden", "true");
  const name = element("div", "name", element("b", "", words(outcome)), element("small", "", sentence));
  name.setAttribute("role", "rowheader");
  const plot = document.createElementNS(SVG, "svg");
  plot.setAttribute("role", "img");
  plot.setAttribute("preserveAspectRatio", "none");
  plot.setAttribute("viewBox", "0 0 300 24");
  const cell = (kind) => {
    const made = element("div", kind, kind === "plot" ? plot : element("b"), kind === "plot" ? "" : element("small"));
    made.setAttribute("role", "cell");
    return made;
  };
  const row = element("div", "call", glyph, name, cell("plot"), cell("rate"));
  row.setAttribute("role", "row");
  return row;
}

function fillCall(row, { outcome, total, rates }) {
  const [, , plot, rate] = row.children;
  const top = Math.max(1, ...rates.map((each) => each.rate));
  const span = Math.max(60, rates.length > 0 ? rates[0].from : 0);
  const x = (ago) => 300 - (ago / span) * 300;
  const bars = rates.map((each) => {
    const [left, right, high] = [x(each.from), x(each.to), (each.rate / top) * 22];
    return `M${left.toFixed(1)},24V${(24 - high).toFixed(1)}H${right.toFixed(1)}V24Z`;
  });
  plot.firstChild.replaceChildren(path("area", bars.join("")), path("base", "M0,24H300"));
  const now = rates.length > 0 ? rates.at(-1).rate : 0;
  const fastest = `${decimal(top)} a second at most in ${duration(span)}`;
  plot.firstChild.setAttribute("aria-label", `${words(outcome)}: ${fastest}`);
  plot.title = fastest;
  write(rate.firstChild, `${decimal(now)} /s`);
  write(rate.lastChild, `${count.format(total)} in all`);
}

function showEnds(answer) {
  const ends = answer.reasons.map((reason, i) => [words(reason), count.format(answer.totals.closed[i]), REASONS[reason] ?? ""]);
  const items = [["accepted", count.format(answer.totals.accepted), REASONS.accepted], ...ends];
  fillAll(at("counts"), items, newFigure, fillFigure);
}

// --- all connections, as a table

const COLUMNS = [
  ["slot", (c) => String(c.slot)],
  ["agency", (c) => (c.agency === null ? "–" : String(c.agency))],
  ["state", (c) => words(c.state)],
  ["waits for", (c) => words(c.waits)],
  ["frame", (c) => (c.frame_had > 0 ? `${count.format(c.frame_had)}/${c.frame_size > 0 ? count.format(c.frame_size) : "?"}` : "–")],
  ["inbox", (c) => count.format(c.inbox)],
  ["outbox", (c) => count.format(c.outbox)],
  ["short reads", (c) => count.format(c.read_short)],
  ["short writes", (c) => count.format(c.write_short)],
  ["age", (c) => `${count.format(c.age)} s`],
];
const WANTED = {
  all: () => true,
  slow: (c) => c.waits === "replies_taken",
  partial: (c) => c.frame_had > 0,
  held: (c) => c.state === "held",
};

const newRow = () => {
  const row = element("div", "row", ...COLUMNS.map(() => element("span")));
  row.setAttribute("role", "row");
  [...row.children].forEach((cell, i) => cell.setAttribute("role", i === 0 ? "rowheader" : "cell"));
  row.addEventListener("click", () => choose(Number(row.firstChild.textContent)));
  return row;
};

const peers = longList({
  key: (connection) => connection.slot,
  make: newRow,
  fill: (row, connection) => {
    row.dataset.state = connection.state;
    COLUMNS.forEach(([, textOf], i) => write(row.children[i], textOf(connection)));
  },
  tall: (size) => Math.round(size * 2),
});

function showPeers() {
  const order = at("order").value;
  const shown = connections.filter(WANTED[at("show").value]);
  if (order !== "slot") shown.sort((a, b) => b[order] - a[order] || a.slot - b.slot);
  at("none").hidden = shown.length > 0;
  text("none", connections.length > 0 ? "No connection is like that now." : "Nobody is connected.");
  at("list").setAttribute("aria-rowcount", shown.length);
  peers.show(shown, true);
}

for (const [name] of COLUMNS) {
  const head = element("span", "", name);
  head.setAttribute("role", "columnheader");
  at("names").append(head);
}
const redraw = () => {
  if (!known) return;
  drawSlab(known);
  showCell();
};
const choose = listenToSlab(redraw);
for (const id of ["show", "order"]) {
  at(id).addEventListener("input", () => {
    at("list").scrollTop = 0;
    if (known) showPeers();
  });
}
at("tools").addEventListener("submit", (event) => event.preventDefault());
addEventListener("resize", () => known && show(known));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
// The central gives the same answer for half a second: if it came before, nothing is shown anew, so that flashes go on.
const isNew = (before, now) => before?.central.uptime_seconds !== now.central.uptime_seconds;
watch("api/loop", 500, (before, now) => isNew(before, now) && show(now), (answer) => (answer ? `${many(connections.length, "connection", "connections")} · The loop` : "The loop"));
