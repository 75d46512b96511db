// The slab: a cell for each slot, few of them as elements of the document, many on a canvas.

const FEW = 400; // slots that are elements
const SPACE = 24; // the smallest cell that one can tap, in CSS pixels

let slots = []; // by slot: the connection there, or null
let flashes = []; // by slot: 1 for a short read since the answer before, 2 for a short write, 3 for both
let beat = 0; // how many answers there were: the flashes start again with each
let chosen = null; // the slot that was tapped or moved to with keys, if any
let pointed = null; // the slot under the pointer, if any
let columns = 1; // cells in a row
let side = SPACE; // of a cell with its gap, in CSS pixels

// The connections of an answer as objects.
function connectionsOf(answer) {
  const { columns: names, rows } = answer.connections;
  return rows.map((row) => {
    const connection = {};
    names.forEach((name, i) => (connection[name] = row[i]));
    connection.state = answer.states[connection.state];
    connection.waits = answer.waits[connection.waits];
    return connection;
  });
}

// How full a buffer is, from 0 to 1; even a single byte can be seen.
const fillOf = (bytes, bound) => (bytes > 0 ? Math.min(1, Math.max(0.12, bytes / bound)) : 0);
const frameOf = (connection) => (connection.frame_size > 0 ? connection.frame_had / connection.frame_size : 0);

function showSlab(answer, connections) {
  const before = slots;
  slots = new Array(answer.connections.slots).fill(null);
  for (const connection of connections) slots[connection.slot] = connection;
  flashes = slots.map((connection, slot) => {
    if (!connection || beat === 0) return 0;
    const same = before[slot]?.serial === connection.serial ? before[slot] : null;
    const grew = (name) => connection[name] > (same ? same[name] : 0);
    return (grew("read_short") ? 1 : 0) + (grew("write_short") ? 2 : 0);
  });
  beat += 1;
  drawSlab(answer);
}

function drawSlab(answer) {
  const few = slots.length <= FEW;
  at("cells").hidden = !few;
  at("map").hidden = few;
  const width = at("slab").clientWidth;
  const [least, most, tall] = few ? [SPACE + 2, narrow.matches ? 46 : 88, 420] : [4, 20, 560];
  side = Math.max(least, Math.min(most, Math.floor(Math.sqrt((width * tall) / Math.max(1, slots.length)))));
  columns = Math.max(1, Math.floor(width / side));
  if (few) showCells(answer.bounds);
  else showMap(answer.bounds, width);
}

function showCells(bounds) {
  const cells = at("cells");
  cells.style.setProperty("--side", `${side}px`);
  cells.style.gridTemplateColumns = `repeat(${columns}, ${side}px)`;
  cells.classList.toggle("small", side < 44);
  cells.classList.toggle("even", beat % 2 === 0);
  cells.classList.toggle("odd", beat % 2 === 1);
  while (cells.children.length > slots.length) cells.lastChild.remove();
  slots.forEach((connection, slot) => {
    const cell = cells.children[slot] ?? cells.appendChild(newCell());
    const state = connection ? connection.state : "free";
    if (cell.dataset.state !== state) cell.dataset.state = state;
    const flash = ["", "in", "out", "both"][flashes[slot]];
    if (cell.dataset.flash !== flash) cell.dataset.flash = flash;
    cell.classList.toggle("chosen", slot === (pointed ?? chosen));
    write(cell.firstChild, connection?.agency == null ? "" : String(connection.agency));
    const fill = (i, share) => cell.children[i].style.setProperty("--fill", `${Math.round(share * 100)}%`);
    fill(1, connection ? fillOf(connection.inbox, bounds.inbox) : 0);
    fill(2, connection ? fillOf(connection.outbox, bounds.outbox) : 0);
    fill(3, connection ? frameOf(connection) : 0);
  });
}

function newCell() {
  const cell = document.createElement("div");
  cell.className = "cell";
  for (const kind of ["b", "i", "i", "u"]) cell.append(document.createElement(kind));
  return cell;
}

function showMap(bounds, width) {
  const map = at("map");
  const scale = devicePixelRatio || 1;
  const height = Math.ceil(slots.length / columns) * side;
  map.width = width * scale;
  map.height = height * scale;
  map.style.height = `${height}px`;
  const style = getComputedStyle(document.documentElement);
  const colours = new Map();
  const colour = (name) => {
    if (!colours.has(name)) colours.set(name, style.getPropertyValue(`--${name}`).trim());
    return colours.get(name);
  };
  const pen = map.getContext("2d");
  pen.scale(scale, scale);
  const gap = side > 6 ? 2 : 1;
  const inner = side - gap;
  const bar = (x, bottom, wide, share, name) => {
    if (share === 0) return;
    const high = Math.max(1, Math.round(inner * share));
    pen.fillStyle = colour(name);
    pen.fillRect(x, bottom - high, wide, high);
  };
  slots.forEach((connection, slot) => {
    const [x, y] = [(slot % columns) * side, Math.floor(slot / columns) * side];
    pen.fillStyle = colour(connection ? `state-${connection.state}` : "track");
    pen.fillRect(x, y, inner, inner);
    if (connection) {
      const half = Math.max(1, Math.floor(inner / 2));
      bar(x, y + inner, half, fillOf(connection.inbox, bounds.inbox), "in");
      bar(x + inner - half, y + inner, half, fillOf(connection.outbox, bounds.outbox), "out");
    }
    if (flashes[slot] > 0) frame(pen, x, y, inner, flashes[slot] > 1 ? colour("out") : colour("in"));
    if (slot === (pointed ?? chosen)) frame(pen, x, y, inner, colour("ink"));
  });
}

function frame(pen, x, y, inner, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = inner > 8 ? 2 : 1;
  pen.strokeRect(x + 0.5, y + 0.5, inner - 1, inner - 1);
}

// --- choosing a cell

function slotAt(event) {
  const box = (at("map").hidden ? at("cells") : at("map")).getBoundingClientRect();
  const [x, y] = [Math.floor((event.clientX - box.left) / side), Math.floor((event.clientY - box.top) / side)];
  const slot = y * columns + x;
  return x >= 0 && x < columns && y >= 0 && slot < slots.length ? slot : null;
}

// `show` is called when another slot is chosen or pointed at.
function listenToSlab(show) {
  const slab = at("slab");
  // What is chosen is shown, whatever the pointer happens to rest on.
  const choose = (slot) => {
    [chosen, pointed] = [slot, null];
    show();
    const connection = slot === null ? null : slots[slot];
    if (slot !== null) announce(connection ? sentenceOf(connection) : `Slot ${slot} is free.`);
  };
  slab.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    const slot = slotAt(event);
    if (slot === pointed) return;
    pointed = slot;
    show();
  });
  slab.addEventListener("pointerleave", () => {
    pointed = null;
    show();
  });
  slab.addEventListener("click", (event) => choose(slotAt(event)));
  slab.addEventListener("focus", () => {
    if (chosen === null && slots.length > 0 && slab.matches(":focus-visible")) choose(0);
  });
  slab.addEventListener("keydown", (event) => {
    const last = slots.length - 1;
    const now = chosen ?? 0;
    const next = {
      ArrowLeft: now - 1,
      ArrowRight: now + 1,
      ArrowUp: now - columns,
      ArrowDown: now + columns,
      Home: 0,
      End: last,
    }[event.key];
    if (event.key === "Escape") choose(null);
    else if (next !== undefined && last >= 0) choose(Math.max(0, Math.min(last, next)));
    else return;
    event.preventDefault();
  });
  return choose;
}
