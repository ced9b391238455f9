// The agent's page. Draws whatever tables the agent has: `hello` names them, `rows` names their
// rows, `past` has a row's last minutes, `now` has all rows' figures of this moment.
// What others wrote (names of pods, images) becomes text and never markup.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
// Seconds without a figure over which no line is drawn: Prometheus asks more often.
const GAP = 40;
const MINUS = "\u2013";
const byId = (id) => document.getElementById(id);
const tables = new Map();
let windowSeconds = 300;
let version = null;

/* Elements */

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/* Numbers as people read them */

function digits(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : 2);
}

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let index = 0;
  while (Math.abs(value) >= 1000 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  return `${index === 0 ? Math.round(value) : digits(value)} ${units[index]}`;
}

function seconds(value) {
  if (value < 0.001) return `${Math.round(value * 1e6)} \u00b5s`;
  if (value < 1) return `${digits(value * 1e3)} ms`;
  if (value < 120) return `${digits(value)} s`;
  if (value < 7200) return `${Math.round(value / 60)} min`;
  if (value < 172800) return `${Math.round(value / 3600)} h`;
  return `${Math.round(value / 86400)} days`;
}

function count(value) {
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return digits(value);
}

const UNITS = {
  cores: (value) => (value < 0.0005 ? "0" : value.toFixed(value >= 10 ? 1 : value >= 0.1 ? 2 : 3)),
  bytes,
  bytesPerSecond: (value) => `${bytes(value)}/s`,
  perSecond: (value) => `${digits(value)}/s`,
  seconds,
  ratio: (value) => `${digits(value * 100)} %`,
  count,
};

const known = (value) => typeof value === "number";
const say = (column, value) => (known(value) ? (UNITS[column.unit] || count)(value) : MINUS);

/* Charts: x is time, so figures that come irregularly stand where they belong */

function chart(classes) {
  const svg = shape("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  const paths = classes.map((name) => {
    const area = shape("path", { class: `area ${name}` });
    const line = shape("path", { class: `line ${name}` });
    svg.append(area, line);
    return { area, line };
  });
  return { svg, paths };
}

function draw(path, row, index, end, most) {
  let line = "";
  let area = "";
  let start = null;
  let last = 0;
  for (let at = 0; at < row.times.length; at += 1) {
    const value = row.points[at][index];
    const x = 100 - ((end - row.times[at]) / windowSeconds) * 100;
    if (start !== null && row.times[at] - row.times[at - 1] > GAP) {
      area += `L${last.toFixed(2)} 100Z`;
      start = null;
    }
    if (known(value) && x >= -2) {
      const y = 98 - (Math.min(value, most) / most) * 94;
      const point = `${x.toFixed(2)} ${y.toFixed(2)}`;
      if (start === null) {
        start = x;
        line += `M${point}`;
        area += `M${x.toFixed(2)} 100L${point}`;
      } else {
        line += `L${point}`;
        area += `L${point}`;
      }
      last = x;
    }
    if (start !== null && (!known(value) || at === row.times.length - 1)) {
      area += `L${last.toFixed(2)} 100Z`;
      start = null;
    }
  }
  path.line.setAttribute("d", line);
  path.area.setAttribute("d", area);
}

function peak(row, index) {
  let most = 0;
  for (const point of row.points) if (point[index] > most) most = point[index];
  return most;
}

/* The data */

function freshRow(labels) {
  return { labels, times: [], points: [], now: [] };
}

function receiveRows({ table: name, rows, leftOut }) {
  const table = tables.get(name);
  if (!table) return;
  const before = table.rows;
  table.rows = new Map();
  table.leftOut = leftOut;
  for (const [number, labels] of rows) {
    const row = before.get(number) || freshRow(labels);
    row.labels = labels;
    row.named = false;
    before.delete(number);
    table.rows.set(number, row);
  }
  for (const gone of before.values()) if (gone.parts) gone.parts.line.remove();
  later(table);
}

function receivePast({ table: name, row: number, times, points }) {
  const table = tables.get(name);
  const row = table?.rows.get(number);
  if (!row) return;
  const first = row.times[0] ?? Infinity;
  const older = times.filter((time) => time < first).length;
  row.times = times.slice(0, older).concat(row.times);
  row.points = points.slice(0, older).concat(row.points);
  if (row.points.length) row.now = row.points[row.points.length - 1];
  table.end = Math.max(table.end, times[times.length - 1] ?? 0);
  later(table);
}

function receiveNow({ table: name, time, rows }) {
  const table = tables.get(name);
  if (!table) return;
  // The agent's clock was set back: what was is not before what is.
  const back = time < table.end;
  table.end = time;
  for (const [number, values] of rows) {
    const row = table.rows.get(number);
    if (!row) continue;
    if (back) [row.times, row.points] = [[], []];
    if (row.times[row.times.length - 1] !== time) {
      row.times.push(time);
      row.points.push(values);
    }
    row.now = values;
    while (row.times.length && time - row.times[0] > windowSeconds + 10) {
      row.times.shift();
      row.points.shift();
    }
  }
  later(table);
}

const waiting = new Set();
function later(table) {
  if (waiting.size === 0) {
    requestAnimationFrame(() => {
      const all = [...waiting];
      waiting.clear();
      for (const one of all) one.render();
    });
  }
  waiting.add(table);
}

/* The node as a whole */

const CARDS = [
  { title: "CPU", tone: "blue", columns: ["cpu"] },
  { title: "Memory", tone: "violet", columns: ["memory"] },
  { title: "Network", tone: "teal", columns: ["received", "sent"] },
  { title: "Disk", tone: "amber", columns: ["read", "written"] },
];

function nodeTable(description) {
  const place = byId("cards");
  place.replaceChildren();
  const index = (name) => description.columns.findIndex((column) => column.name === name);
  const cards = CARDS.map((card) => {
    const columns = card.columns.map((name) => ({ at: index(name), ...description.columns[index(name)] }));
    const drawing = chart(columns.map((_, at) => (at ? "other" : "")));
    const values = columns.map(() => element("b"));
    const figure = columns.length === 1
      ? element("p", { class: "figure" }, values[0])
      : element("p", { class: "figure pair" }, ...columns.map((column, at) => element("span", {}, element("i", {}, column.title), values[at])));
    const note = element("p", { class: "note" });
    const top = element("span", { class: "peak" });
    const plot = element("div", { class: "plot", role: "img" }, drawing.svg, top);
    place.append(element("article", { class: "card", "data-tone": card.tone }, element("h2", {}, card.title), figure, note, plot));
    return { ...card, columns, drawing, values, note, top, plot };
  });
  const table = { description, rows: new Map(), end: 0 };
  table.render = () => {
    const row = table.rows.values().next().value;
    place.hidden = !row;
    if (!row) return;
    const now = (name) => row.now[index(name)];
    writeNode(row.labels, now("uptime"));
    for (const card of cards) renderCard(card, row, table.end, now);
  };
  return table;
}

function writeNode(labels, uptime) {
  const name = labels.nodename || "This node";
  write(byId("name"), name);
  const title = `${name} \u00b7 Masthead`;
  if (document.title !== title) document.title = title;
  const about = [labels.system, labels.release && `Linux ${labels.release}`, labels.machine];
  if (known(uptime)) about.push(`up ${seconds(uptime)}`);
  write(byId("about"), about.filter(Boolean).join(" \u00b7 "));
}

function renderCard(card, row, end, now) {
  const [first] = card.columns;
  const most = known(now(first.of)) ? now(first.of) : null;
  const highest = Math.max(...card.columns.map((column) => peak(row, column.at)));
  const scale = most || Math.max(highest * 1.15, 1024);
  card.columns.forEach((column, at) => {
    draw(card.drawing.paths[at], row, column.at, end, scale);
    const value = now(column.name);
    const share = column.unit === "cores" && most && known(value);
    // The kernel counts CPU time in ticks, so that a busy node may seem to do a little more than it can.
    write(card.values[at], share ? `${digits(Math.min(value / most, 1) * 100)} %` : say(column, value));
  });
  write(card.note, noteOf(card, now));
  write(card.top, most || !highest ? "" : `peak ${say(first, highest)}`);
  const spoken = card.columns.map((column) => `${column.title} ${say(column, now(column.name))}`).join(", ");
  card.plot.setAttribute("aria-label", `${card.title}, the last five minutes. Now: ${spoken}. Highest: ${say(first, highest)}.`);
}

function noteOf(card, now) {
  const [first] = card.columns;
  if (card.title === "CPU" && known(now("cpus"))) {
    return `${say(first, now("cpu"))} of ${now("cpus")} cores \u00b7 load ${say({ unit: "count" }, now("load"))}`;
  }
  if (card.title === "Memory" && known(now("memoryTotal"))) {
    const swap = now("swapTotal") > 0 ? ` \u00b7 swap ${bytes(now("swap"))}` : "";
    const share = digits((now("memory") / now("memoryTotal")) * 100);
    return `${share} % of ${bytes(now("memoryTotal"))}${swap}`;
  }
  return "";
}

/* Tables */

const TONES = {
  cpu: "blue", memory: "violet", received: "teal", sent: "teal", read: "amber", written: "amber",
  connections: "violet", cached: "teal", size: "amber", lag: "amber", age: "violet", entries: "teal", rate: "amber",
};
const GOOD = ["running", "works", "up"];
const WARN = ["waiting", "hangs", "lagging", "partly"];
const BAD = ["fails", "down"];
const SMALL = ["filesystems", "collectors", "log-lags", "log-losses"];
/* Of interest to few: shown folded, unless something is wrong in them. */
const FOLDED = ["collectors", "postgres-collectors", "log-lags"];
/* The least that the top of a chart stands for, so that nothing looks like much. */
const LEAST = { cores: 0.02, seconds: 0.0001, perSecond: 1, ratio: 1, count: 10 };

function stateKind({ state, reason }) {
  if (GOOD.includes(state)) return "good";
  if (WARN.includes(state)) return "warn";
  // A container that ended as it should is nothing to worry about.
  if (BAD.includes(state) || (state === "terminated" && reason !== "Completed")) return "bad";
  return "";
}

function plainTable(description) {
  const shown = description.columns.map((column, at) => ({ ...column, at })).filter((column) => column.title);
  const table = { description, shown, rows: new Map(), end: 0, sort: null, filter: "", leftOut: 0 };
  const heading = element("h2", { class: "title", id: `title-${description.name}` }, description.title);
  table.count = element("p", { class: "count" });
  table.body = element("tbody");
  table.heads = element("tr");
  table.empty = element("p", { class: "empty", hidden: "" });
  const grid = element("table", { "aria-labelledby": heading.id }, element("thead", {}, table.heads), table.body);
  const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": heading.id }, grid);
  table.panel = element("section", { class: "panel", "aria-labelledby": heading.id, hidden: "" });
  if (SMALL.includes(description.name)) table.panel.classList.add("half");
  if (FOLDED.includes(description.name)) {
    table.details = element("details", {}, element("summary", {}, heading, table.count), scroll);
    table.panel.append(table.details);
  } else {
    const top = element("div", { class: "top" }, heading, table.count);
    table.search = element("input", { type: "search", placeholder: "Filter", "aria-label": `Filter ${description.title}`, hidden: "" });
    table.search.addEventListener("input", () => {
      table.filter = table.search.value.trim().toLowerCase();
      render(true);
    });
    top.append(table.search);
    table.panel.append(top, scroll, table.empty);
  }
  table.seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const row = entry.target.row;
      row.visible = entry.isIntersecting;
      if (row.visible) drawRow(table, row);
    }
  }, { rootMargin: "100px" });
  const render = (at_once) => renderTable(table, at_once === true);
  table.render = render;
  byId("tables").append(table.panel);
  return table;
}

function heads(table) {
  const stateful = [...table.rows.values()].some((row) => row.labels.state);
  if (table.stateful === stateful) return;
  table.stateful = stateful;
  for (const row of table.rows.values()) {
    row.parts?.line.remove();
    row.parts = null;
  }
  const columns = [{ name: "head", title: "Name" }];
  if (stateful) columns.push({ name: "state", title: "State" });
  columns.push(...table.shown);
  table.sort = table.sort || firstSort(table);
  table.heads.replaceChildren(...columns.map((column) => {
    const button = element("button", { type: "button" }, column.title);
    const head = element("th", { scope: "col", class: column.unit ? "number" : "" }, button);
    head.column = column;
    button.addEventListener("click", () => {
      const same = table.sort.column === column.name;
      table.sort = { column: column.name, at: column.at, down: same ? !table.sort.down : Boolean(column.unit) };
      renderTable(table, true);
    });
    return head;
  }));
}

function firstSort(table) {
  if (FOLDED.includes(table.description.name)) return { column: "state", down: false };
  const first = table.shown[0];
  if (table.description.name === "containers") return { column: first.name, at: first.at, down: true };
  return { column: "head", down: false };
}

function nameRow(table, row) {
  if (row.named && row.parts) return;
  const { description } = table;
  const used = description.heads.find((label) => row.labels[label]);
  row.head = short(row.labels[used] || "?");
  // What is wrong is written in full, below the rest.
  const wrong = description.details.includes("reason") && ["bad", "warn"].includes(stateKind(row.labels));
  const others = description.details.filter((label) => label !== used && !(wrong && label === "reason"));
  row.details = others.map((label) => row.labels[label]).filter(Boolean).join(" \u00b7 ");
  row.words = `${row.head} ${row.details} ${row.labels.state || ""} ${row.labels.reason || ""}`.toLowerCase();
  row.rank = ["bad", "warn", "good", ""].indexOf(stateKind(row.labels));
  row.parts = row.parts || makeRow(table, row);
  write(row.parts.head, row.head);
  write(row.parts.details, row.details);
  write(row.parts.reason, wrong ? row.labels.reason || "" : "");
  row.parts.title.title = [row.head, row.details].join("\n");
  if (row.parts.state) {
    const { state, reason } = row.labels;
    write(row.parts.state, (state !== "running" && description.name === "containers" && reason) || state || MINUS);
    row.parts.state.className = `state ${stateKind(row.labels)}`;
    row.parts.state.title = reason || "";
  }
  row.named = true;
}

/* 64 hexadecimal digits say no more than the first twelve. */
function short(name) {
  return /^[0-9a-f]{64}$/.test(name) ? name.slice(0, 12) : name;
}

function makeRow(table, row) {
  const head = element("span", { class: "head" });
  const details = element("span", { class: "details" });
  const reason = element("span", { class: "reason" });
  const title = element("th", { scope: "row" }, head, details, reason);
  const line = element("tr", {}, title);
  const parts = { line, head, details, reason, title, cells: [] };
  if (table.stateful) {
    parts.state = element("span", { class: "state" });
    line.append(element("td", {}, parts.state));
  }
  for (const column of table.shown) {
    const value = element("span");
    const box = element("span", { class: "value" }, value);
    const cell = { value, column };
    const inner = element("div", { class: "cell" });
    if (column.chart) {
      cell.drawing = chart([""]);
      inner.append(cell.drawing.svg);
    }
    if (column.of) {
      cell.limit = element("span", { class: "unseen" });
      cell.fill = element("span");
      cell.share = element("span", { class: "share", "aria-hidden": "true", hidden: "" }, cell.fill);
      box.append(cell.limit, cell.share);
      cell.most = table.description.columns.findIndex((other) => other.name === column.of);
    }
    inner.append(box);
    line.append(element("td", { class: "number", "data-tone": TONES[column.name] || "blue" }, inner));
    parts.cells.push(cell);
  }
  line.row = row;
  table.seen.observe(line);
  return parts;
}

function drawRow(table, row) {
  if (!row.parts) return;
  for (const cell of row.parts.cells) {
    const { column } = cell;
    const value = row.now[column.at];
    write(cell.value, say(column, value));
    const alarming = (column.name === "kills" || column.name === "errors") && value > 0;
    cell.value.className = known(value) ? (alarming ? "alarm" : "") : "none";
    // Charts out of sight are not drawn; numbers are written, for those who search or listen.
    if (cell.drawing && row.visible) {
      draw(cell.drawing.paths[0], row, column.at, table.end, Math.max(peak(row, column.at), LEAST[column.unit] ?? 1024));
    }
    if (cell.share) {
      const most = row.now[cell.most];
      const share = known(value) && known(most) && most > 0 ? Math.min(value / most, 1) : null;
      cell.share.hidden = share === null;
      if (share !== null) {
        cell.fill.style.width = `${(share * 100).toFixed(1)}%`;
        cell.share.classList.toggle("high", share > 0.9);
        write(cell.limit, ` of ${say(column, most)}`);
        cell.share.parentElement.title = `${Math.round(share * 100)} % of ${say(column, most)}`;
      } else {
        write(cell.limit, "");
      }
    }
  }
}

function compare(sort) {
  const sign = sort.down ? -1 : 1;
  const byName = (a, b) => a.head.localeCompare(b.head, "en", { numeric: true }) || a.details.localeCompare(b.details);
  return (a, b) => {
    if (sort.column === "head") return sign * byName(a, b);
    if (sort.column === "state") return sign * (a.rank - b.rank) || byName(a, b);
    const [left, right] = [a.now[sort.at], b.now[sort.at]];
    if (known(left) !== known(right)) return known(left) ? -1 : 1;
    return sign * ((left ?? 0) - (right ?? 0)) || byName(a, b);
  };
}

function renderTable(table, atOnce) {
  table.panel.hidden = table.rows.size === 0 && table.description.name !== "containers";
  heads(table);
  const all = [...table.rows.values()];
  for (const row of all) nameRow(table, row);
  for (const head of table.heads.children) {
    const sorted = head.column.name === table.sort.column;
    head.setAttribute("aria-sort", sorted ? (table.sort.down ? "descending" : "ascending") : "none");
  }
  const matching = all.filter((row) => row.words.includes(table.filter));
  // Rows keep their places while somebody points at one.
  const steady = !atOnce && table.body.matches(":hover");
  if (!steady || table.body.children.length !== matching.length) {
    matching.sort(compare(table.sort));
    place(table.body, matching.map((row) => row.parts.line));
  }
  for (const row of matching) drawRow(table, row);
  writeCount(table, all, matching);
}

/* Moves only what is not in its place, so that focus and selection stay. */
function place(body, lines) {
  const wanted = new Set(lines);
  for (const line of [...body.children]) if (!wanted.has(line)) line.remove();
  lines.forEach((line, at) => {
    if (body.children[at] !== line) body.insertBefore(line, body.children[at] || null);
  });
}

function writeCount(table, all, matching) {
  const troubled = all.filter((row) => ["bad", "warn"].includes(stateKind(row.labels))).length;
  const nothing = all.filter((row) => row.labels.state === "nothing").length;
  const parts = [matching.length === all.length ? `${all.length}` : `${matching.length} of ${all.length}`];
  if (table.leftOut) parts.push(`${table.leftOut} more are not shown`);
  if (nothing) parts.push(`${nothing} find nothing on this host`);
  const text = parts.join(" \u00b7 ");
  const trouble = troubled ? `${troubled} ${troubled === 1 ? "needs" : "need"} a look` : "";
  if (table.said !== text + trouble) {
    table.said = text + trouble;
    table.count.replaceChildren(text + (trouble ? " \u00b7 " : ""), element("span", { class: "bad" }, trouble));
  }
  if (table.details && troubled && !table.opened) table.details.open = table.opened = true;
  if (table.search) table.search.hidden = all.length < 8 && !table.filter;
  if (table.empty) {
    table.empty.hidden = matching.length > 0;
    write(table.empty, all.length ? "Nothing matches." : "No container runs here.");
  }
}

/* The connection */

function hello(message) {
  if (version !== null && version !== message.version) return location.reload();
  version = message.version;
  windowSeconds = message.window;
  write(byId("version"), message.version);
  for (const table of tables.values()) table.seen?.disconnect();
  const kept = new Map([...tables].map(([name, table]) => [name, table]));
  tables.clear();
  byId("tables").replaceChildren();
  for (const description of message.tables) {
    const table = description.name === "node" ? nodeTable(description) : plainTable(description);
    const before = kept.get(description.name);
    if (before?.sort) [table.sort, table.filter] = [before.sort, before.filter];
    if (before?.search) table.search.value = before.search.value;
    tables.set(description.name, table);
  }
}

let source = null;
let lastHeard = null;

function status(state, text) {
  byId("status").dataset.state = state;
  write(byId("status"), text);
}

function connect() {
  source = new EventSource("events");
  const on = (name, receive) => source.addEventListener(name, (event) => receive(JSON.parse(event.data)));
  on("hello", hello);
  on("rows", receiveRows);
  on("past", receivePast);
  on("now", (message) => {
    lastHeard = new Date();
    status("live", "Live");
    receiveNow(message);
  });
  source.addEventListener("error", () => {
    const since = lastHeard ? `, figures of ${lastHeard.toLocaleTimeString()}` : "";
    status("lost", `Not connected${since}`);
    // The browser tries again by itself, unless it was told not to.
    if (source?.readyState === EventSource.CLOSED) setTimeout(() => source && connect(), 3000);
  });
}

/* A page that nobody sees costs the node nothing. */
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    source?.close();
    source = null;
    status("waiting", "Paused");
  } else if (!source) {
    connect();
  }
});
if (!document.hidden) connect();
