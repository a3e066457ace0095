"use strict";
// The page of a plan. Everything shown is set as text, never as markup: names come from outside.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = (id) => JSON.parse(byId(id).textContent);
  const head = data("head");
  const groups = data("changes"); // [mirror, action, folder, rows]
  const NAME = 0, BYTES = 1, CAUSE = 2, REASON = 3, MODIFIED = 4, MORE = 5;

  function make(tag, className, text) {
    const e = document.createElement(tag);
    if (className) e.className = className;
    if (text !== undefined) e.textContent = text;
    return e;
  }

  function svg(tag, attributes, text) {
    const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    if (text !== undefined) e.textContent = text;
    return e;
  }

  const number = (n) => n.toLocaleString("en-US");

  function size(bytes) {
    if (bytes < 1024) return bytes + " B";
    const units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let v = bytes / 1024, unit = 0;
    while (v >= 1023.95 && unit < units.length - 1) { v /= 1024; unit++; }
    return v.toFixed(1) + " " + units[unit];
  }

  // ---- the changes, as flat lists ----

  const total = groups.reduce((n, g) => n + g[3].length, 0);
  const rows = new Array(total);
  const groupOf = new Uint32Array(total);
  for (let g = 0, i = 0; g < groups.length; g++) {
    for (const row of groups[g][3]) { rows[i] = row; groupOf[i++] = g; }
  }
  const group = (i) => groups[groupOf[i]];
  const actionOf = (i) => head.actions[group(i)[1]];
  const mirrorOf = (i) => head.mirrors[group(i)[0]];
  const more = (i) => rows[i][MORE] || {};
  const folderOf = (i) => "/" + (group(i)[2] ? group(i)[2] + "/" : "");
  const nameOf = (i) => rows[i][NAME] + (more(i).folder ? "/" : "");
  const pathOf = (i) => folderOf(i) + nameOf(i);
  const reasonOf = (i) => typeof rows[i][REASON] === "number" ? head.reasons[rows[i][REASON]] : rows[i][REASON];
  const causeOf = (i) => head.causes[rows[i][CAUSE]];
  const forGood = (i) => actionOf(i).name === "delete" && more(i).disposal !== "trash";

  let searchable; // lower-case paths, made when somebody searches
  function textOf(i) {
    if (!searchable) {
      searchable = new Array(total);
      for (let j = 0; j < total; j++) {
        const before = more(j).previous;
        searchable[j] = (pathOf(j) + (before ? "\n/" + before : "")).toLowerCase();
      }
    }
    return searchable[i];
  }

  // ---- a table that draws only the rows in sight ----

  const MAX_HEIGHT = 8e6; // browsers lose precision, or rows, in higher boxes

  class Grid {
    constructor(box, columns, cells, open) {
      Object.assign(this, { columns, cells, open, order: new Uint32Array(0), at: 0, column: -1, down: false });
      box.setAttribute("role", "grid");
      this.box = box;
      this.head = make("div", "head");
      this.head.setAttribute("role", "row");
      this.titles = columns.map((c, k) => {
        const cell = make("div", c.n ? "n" : "");
        cell.setAttribute("role", "columnheader");
        const button = make("button", "", c.title);
        button.type = "button";
        button.addEventListener("click", () => this.sort(k));
        cell.append(button);
        this.head.append(cell);
        return cell;
      });
      this.body = make("div", "body");
      this.body.tabIndex = 0;
      this.body.setAttribute("role", "rowgroup");
      this.body.setAttribute("aria-label", "Rows; arrow keys move, Enter shows details");
      this.tall = make("div");
      this.body.append(this.tall);
      box.append(this.head, this.body);
      this.body.addEventListener("scroll", () => this.draw());
      this.body.addEventListener("keydown", (e) => this.key(e));
      new ResizeObserver(() => this.draw()).observe(this.body);
    }

    // show takes the rows of the table, as indexes in their first order.
    show(order) {
      this.unsorted = order;
      this.box.setAttribute("aria-rowcount", order.length + 1);
      this.at = 0;
      this.body.scrollTop = 0;
      this.arrange();
    }

    // sort goes through ascending, descending, and the first order.
    sort(column) {
      if (this.column !== column) [this.column, this.down] = [column, false];
      else if (!this.down) this.down = true;
      else this.column = -1;
      this.arrange();
    }

    arrange() {
      this.titles.forEach((cell, k) => {
        const on = k === this.column;
        if (on) cell.setAttribute("aria-sort", this.down ? "descending" : "ascending");
        else cell.removeAttribute("aria-sort");
        cell.firstChild.textContent = this.columns[k].title + (on ? (this.down ? " ▼" : " ▲") : "");
      });
      this.order = this.unsorted;
      if (this.column >= 0) {
        const key = this.columns[this.column].key, sign = this.down ? -1 : 1;
        const keyed = Array.from(this.unsorted, (i) => [key(i), i]);
        keyed.sort((a, b) => (a[0] < b[0] ? -sign : a[0] > b[0] ? sign : a[1] - b[1]));
        this.order = Uint32Array.from(keyed, (k) => k[1]);
      }
      this.draw();
    }

    get rowHeight() { return matchMedia("(max-width: 720px)").matches ? 62 : 32; }

    draw() {
      const n = this.order.length, row = this.rowHeight, full = n * row;
      const view = this.body.clientHeight, height = Math.min(full, MAX_HEIGHT);
      this.tall.style.height = height + "px";
      const top = this.body.scrollTop;
      // Where the box is lower than its rows, the place in it is a share, not a distance.
      const from = height === full ? top : (top / Math.max(1, height - view)) * (full - view);
      const first = Math.max(0, Math.floor(from / row) - 4), last = Math.min(n, Math.ceil((from + view) / row) + 4);
      const drawn = [];
      for (let k = first; k < last; k++) drawn.push(this.row(k, top + k * row - from));
      this.body.replaceChildren(this.tall, ...drawn);
      const current = this.at >= first && this.at < last && n > 0;
      if (current) this.body.setAttribute("aria-activedescendant", this.box.id + "-" + this.at);
      else this.body.removeAttribute("aria-activedescendant");
    }

    row(k, y) {
      const i = this.order[k], e = make("div", "row" + (k === this.at ? " current" : ""));
      e.id = this.box.id + "-" + k;
      e.setAttribute("role", "row");
      e.setAttribute("aria-rowindex", k + 2);
      e.style.top = y + "px";
      for (const cell of this.cells(i)) {
        cell.setAttribute("role", "gridcell");
        e.append(cell);
      }
      e.addEventListener("click", () => { this.at = k; this.draw(); this.open(i); });
      return e;
    }

    key(e) {
      const page = Math.max(1, Math.floor(this.body.clientHeight / this.rowHeight) - 1), end = this.order.length - 1;
      const to = { ArrowDown: this.at + 1, ArrowUp: this.at - 1, PageDown: this.at + page, PageUp: this.at - page, Home: 0, End: end }[e.key];
      if (e.key === "Enter" && end >= 0) this.open(this.order[this.at]);
      else if (to === undefined) return;
      else { this.at = Math.min(end, Math.max(0, to)); this.reveal(); }
      e.preventDefault();
    }

    reveal() {
      const row = this.rowHeight, full = this.order.length * row, view = this.body.clientHeight;
      const height = Math.min(full, MAX_HEIGHT), scale = height === full ? 1 : (height - view) / (full - view);
      const y = this.at * row, top = this.body.scrollTop / scale;
      if (y < top) this.body.scrollTop = y * scale;
      else if (y + row > top + view) this.body.scrollTop = (y + row - view) * scale;
      this.draw();
    }
  }

  // ---- details of one row ----

  function details(title, pairs) {
    byId("details-title").textContent = title;
    const list = byId("details").querySelector("dl");
    list.replaceChildren();
    for (const [name, value] of pairs) {
      if (value !== undefined && value !== "") list.append(make("dt", "", name), make("dd", "", value));
    }
    byId("details").showModal();
  }

  function openChange(i) {
    const r = rows[i], m = more(i);
    details(actionOf(i).text, [
      ["Path", pathOf(i)], ["Before", m.previous && "/" + m.previous], ["Mirror", mirrorOf(i)],
      ["Size", m.folder ? undefined : size(r[BYTES]) + " (" + number(r[BYTES]) + " bytes)"],
      ["On disk now", m.local === undefined ? undefined : size(m.local)],
      ["Cause", causeOf(i)], ["Why", reasonOf(i)], ["Detail", m.detail], ["Would be", m.wanted],
      ["Old bytes", { trash: "to the trash", delete: "DELETED FOR GOOD", rename: "kept beside it" }[m.disposal] || m.disposal],
      ["Modified", r[MODIFIED] ? new Date(r[MODIFIED] * 1000).toISOString().replace("T", " ").slice(0, 16) + " UTC" : undefined],
      ["Modified by", m.by],
    ]);
  }

  function changeCells(i) {
    const action = make("div", forGood(i) || actionOf(i).name === "blocked" ? "loud" : "");
    action.append(make("span", "swatch a-" + actionOf(i).name), actionOf(i).symbol + " " + actionOf(i).name);
    const path = make("div", "path");
    const where = (head.mirrors.length > 1 ? mirrorOf(i) + " " : "") + folderOf(i);
    path.append(make("span", "folder", where), make("span", "file", nameOf(i)));
    path.title = pathOf(i);
    return [action, path, make("div", "n", more(i).folder ? "" : size(rows[i][BYTES])), make("div", "by", causeOf(i)),
      make("div", "why", reasonOf(i) + (forGood(i) ? ", FOR GOOD" : "") + (more(i).previous ? ", was /" + more(i).previous : ""))];
  }

  // ---- filters ----

  const filter = { words: [], actions: new Set(), cause: "", mirror: "", folder: null };
  let shown = new Uint32Array(0);

  // first is the order without sorting: deletes, what is held back, then the rest.
  const first = Uint32Array.from({ length: total }, (_, i) => i).sort((a, b) => actionOf(a).rank - actionOf(b).rank || a - b);

  function passes(i) {
    const g = group(i);
    if (!filter.actions.has(g[1])) return false;
    if (filter.cause !== "" && rows[i][CAUSE] !== +filter.cause) return false;
    if (filter.mirror !== "" && g[0] !== +filter.mirror) return false;
    if (filter.words.length === 0) return true;
    const text = textOf(i);
    return filter.words.every((w) => text.includes(w));
  }

  function refresh() {
    const matching = first.filter(passes);
    map.count(matching);
    shown = filter.folder && filter.folder !== map.root ? matching.filter((i) => map.holds(filter.folder, i)) : matching;
    changes.show(shown);
    let bytes = 0;
    for (const i of shown) bytes += rows[i][BYTES];
    byId("status").textContent = (shown.length === total ? number(total) + " changes" : number(shown.length) + " of " + number(total) + " changes") +
      ", " + size(bytes) + (filter.folder && filter.folder !== map.root ? ", in " + map.title(filter.folder) : "");
    map.draw();
  }

  function option(value, text) {
    const o = make("option", "", text);
    o.value = value;
    return o;
  }

  function wireFilters() {
    head.actions.map((a, k) => [a, k]).filter(([a]) => a.count > 0).sort(([a], [b]) => a.rank - b.rank).forEach(([a, k]) => {
      filter.actions.add(k);
      const box = make("input");
      box.type = "checkbox";
      box.checked = true;
      box.value = k;
      box.defaultChecked = true;
      box.addEventListener("change", () => { filter.actions[box.checked ? "add" : "delete"](k); refresh(); });
      const label = make("label");
      label.append(box, make("span", "swatch a-" + a.name), a.symbol + " " + a.name + " " + number(a.count));
      byId("actions").append(label);
      const entry = make("li");
      entry.append(make("span", "swatch a-" + a.name), a.symbol + " " + a.text);
      byId("legend").append(entry);
    });
    byId("cause").append(option("", "any"), ...head.causes.map((c, k) => option(k, c)));
    byId("mirror").append(option("", "all"), ...head.mirrors.map((m, k) => option(k, m)));
    byId("mirror-label").hidden = head.mirrors.length < 2;
    for (const id of ["cause", "mirror"]) byId(id).addEventListener("change", () => { filter[id] = byId(id).value; refresh(); });
    let timer;
    byId("search").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        filter.words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
        refresh();
      }, 120);
    });
    byId("filters").addEventListener("submit", (e) => e.preventDefault());
    byId("filters").addEventListener("reset", () => setTimeout(() => {
      Object.assign(filter, { words: [], cause: "", mirror: "", folder: null });
      head.actions.forEach((a, k) => a.count > 0 && filter.actions.add(k));
      refresh();
    }));
  }

  // ---- the map: areas by folder and action ----

  const SHOWN = 48; // areas of a folder; smaller ones share one

  class Treemap {
    constructor(picture, crumbs) {
      Object.assign(this, { picture, crumbs, root: this.node("", null), of: new Array(groups.length) });
      for (let g = 0; g < groups.length; g++) this.of[g] = this.place(groups[g]);
      new ResizeObserver(() => this.draw()).observe(picture);
    }

    node(name, up) {
      return { name, up, below: new Map(), bytes: new Float64Array(head.actions.length), items: new Float64Array(head.actions.length) };
    }

    place(g) {
      const parts = g[2] ? g[2].split("/") : [];
      if (head.mirrors.length > 1) parts.unshift(head.mirrors[g[0]]);
      let at = this.root;
      for (const part of parts) {
        if (!at.below.has(part)) at.below.set(part, this.node(part, at));
        at = at.below.get(part);
      }
      return at;
    }

    holds(folder, i) {
      for (let n = this.of[groupOf[i]]; n; n = n.up) if (n === folder) return true;
      return false;
    }

    title(n) {
      const names = [];
      for (; n.up; n = n.up) names.unshift(n.name);
      return names.join("/") + "/";
    }

    // count sums up the rows that pass the filters, from the leaves to the root.
    count(list) {
      const clear = (n) => { n.bytes.fill(0); n.items.fill(0); n.own = 0; n.below.forEach(clear); };
      clear(this.root);
      for (const i of list) {
        const n = this.of[groupOf[i]], a = groups[groupOf[i]][1];
        n.bytes[a] += rows[i][BYTES];
        n.items[a]++;
      }
      const sum = (n) => {
        n.ownBytes = n.bytes.slice();
        n.ownItems = n.items.slice();
        for (const c of n.below.values()) {
          sum(c);
          for (let a = 0; a < head.actions.length; a++) { n.bytes[a] += c.bytes[a]; n.items[a] += c.items[a]; }
        }
      };
      sum(this.root);
    }

    weights(n) { return this.by === "items" ? n.items : n.bytes; }
    weight(n) { return this.weights(n).reduce((a, b) => a + b, 0); }

    // parts of a folder: its folders by weight, the smallest as one, and its own files.
    parts(n) {
      let list = [...n.below.values()].filter((c) => this.weight(c) > 0).sort((a, b) => this.weight(b) - this.weight(a));
      if (list.length > SHOWN) {
        const rest = this.node(number(list.length - SHOWN + 1) + " more folders", n);
        for (const c of list.slice(SHOWN - 1)) this.merge(rest, c.bytes, c.items);
        rest.leaf = true;
        list = [...list.slice(0, SHOWN - 1), rest];
      }
      const own = this.node("(files here)", n);
      this.merge(own, n.ownBytes, n.ownItems);
      own.leaf = true;
      if (this.weight(own) > 0) list.push(own);
      return list.sort((a, b) => this.weight(b) - this.weight(a));
    }

    merge(n, bytes, items) {
      for (let a = 0; a < head.actions.length; a++) { n.bytes[a] += bytes[a]; n.items[a] += items[a]; }
    }

    draw() {
      if (!this.root.ownBytes) return;
      const at = filter.folder || this.root;
      this.by = byId("weight").value;
      if (this.weight(at) === 0) this.by = "items"; // nothing but moves and empty files
      const w = this.picture.clientWidth, h = this.picture.clientHeight;
      this.picture.setAttribute("viewBox", "0 0 " + Math.max(1, w) + " " + Math.max(1, h));
      this.picture.replaceChildren();
      this.path(at);
      if (w < 40) return;
      const parts = this.parts(at);
      if (parts.length === 0) this.picture.append(svg("text", { x: 12, y: 24 }, "Nothing here passes the filters."));
      squarify(parts, (n) => this.weight(n), { x: 1, y: 1, w: w - 2, h: h - 2 }).forEach(([n, box]) => this.area(n, box, at));
    }

    path(at) {
      const chain = [];
      for (let n = at; n; n = n.up) chain.unshift(n);
      this.crumbs.replaceChildren(...chain.map((n) => {
        const b = make("button", "", n.up ? n.name + " /" : "Everything");
        b.type = "button";
        if (n === at) b.setAttribute("aria-current", "true");
        b.addEventListener("click", () => this.go(n));
        return b;
      }));
    }

    go(n) {
      filter.folder = n.up ? n : null;
      refresh();
    }

    label(n) {
      const counts = head.actions.map((a, k) => (n.items[k] ? number(n.items[k]) + " " + a.name : "")).filter(Boolean);
      return n.name + ": " + size(n.bytes.reduce((a, b) => a + b, 0)) + ", " + counts.join(", ");
    }

    area(n, box, at) {
      const opens = !n.leaf && n !== at;
      const g = svg("g", opens ? { role: "button", tabindex: 0, "aria-label": this.label(n) } : { role: "img", "aria-label": this.label(n) });
      g.append(svg("title", {}, this.label(n)), svg("rect", { class: "box", x: box.x, y: box.y, width: box.w, height: box.h }));
      const titled = box.w > 56 && box.h > 34;
      const inside = { x: box.x + 2, y: box.y + (titled ? 19 : 2), w: box.w - 4, h: box.h - (titled ? 21 : 4) };
      if (titled) g.append(svg("text", { x: box.x + 6, y: box.y + 14 }, clip(n.name + (n.leaf ? "" : "/"), box.w - 10, 7)));
      this.fill(g, n, inside);
      if (opens) {
        g.addEventListener("click", () => this.go(n));
        g.addEventListener("keydown", (e) => {
          if (e.key !== "Enter" && e.key !== " ") return;
          e.preventDefault();
          this.go(n);
          this.crumbs.lastChild.focus();
        });
      }
      this.picture.append(g);
    }

    // fill shows the folders of a folder, each split by action.
    fill(g, n, box) {
      if (box.w < 2 || box.h < 2) return;
      const deep = !n.leaf && n.below.size > 0 && box.w * box.h > 4000;
      const cells = deep ? squarify(this.parts(n), (c) => this.weight(c), box) : [[n, box]];
      for (const [c, b] of cells) {
        const actions = head.actions.map((a, k) => k).filter((k) => this.weights(c)[k] > 0).sort((x, y) => this.weights(c)[y] - this.weights(c)[x]);
        for (const [k, t] of squarify(actions, (k) => this.weights(c)[k], b)) {
          g.append(svg("rect", { class: "tile a-" + head.actions[k].name, x: t.x, y: t.y, width: t.w, height: t.h }));
        }
        if (!deep) continue;
        g.append(svg("rect", { class: "inner", x: b.x, y: b.y, width: b.w, height: b.h }));
        if (b.w > 60 && b.h > 18) g.append(svg("text", { class: "in", x: b.x + 5, y: b.y + 14 }, clip(c.name + (c.leaf ? "" : "/"), b.w - 8, 6.4)));
      }
    }
  }

  function clip(text, width, each) {
    const letters = Array.from(text), fits = Math.floor(width / each);
    return letters.length <= fits ? text : letters.slice(0, Math.max(1, fits - 1)).join("") + "…";
  }

  // squarify divides a box among weighted parts, each as square as it gets. The parts
  // come heaviest first.
  function squarify(parts, weight, box) {
    const out = [], sum = parts.reduce((n, p) => n + weight(p), 0);
    if (sum <= 0 || box.w <= 0 || box.h <= 0) return out;
    const scale = (box.w * box.h) / sum;
    let { x, y, w, h } = box;
    for (let i = 0; i < parts.length;) {
      const side = Math.min(w, h);
      let line = 0, worst = Infinity, n = 0;
      for (let j = i; j < parts.length; j++) {
        const next = line + weight(parts[j]) * scale;
        const big = weight(parts[i]) * scale, small = weight(parts[j]) * scale;
        const ratio = Math.max((side * side * big) / (next * next), (next * next) / (side * side * small));
        if (ratio > worst) break;
        [line, worst, n] = [next, ratio, n + 1];
      }
      const depth = side > 0 ? line / side : 0;
      let along = 0;
      for (; n > 0; n--, i++) {
        const length = depth > 0 ? (weight(parts[i]) * scale) / depth : 0;
        out.push([parts[i], w >= h ? { x, y: y + along, w: depth, h: length } : { x: x + along, y, w: length, h: depth }]);
        along += length;
      }
      if (w >= h) { x += depth; w = Math.max(0, w - depth); } else { y += depth; h = Math.max(0, h - depth); }
      if (depth === 0) break;
    }
    return out;
  }

  // ---- start ----

  let changes, map;

  function start() {
    if (total > 0) {
      byId("map").hidden = false;
      byId("table").hidden = false;
      changes = new Grid(byId("changes-grid"), [
        { title: "Action", key: (i) => actionOf(i).rank }, { title: "Path", key: (i) => mirrorOf(i) + pathOf(i) },
        { title: "Size", n: true, key: (i) => rows[i][BYTES] }, { title: "Cause", key: (i) => rows[i][CAUSE] }, { title: "Why", key: reasonOf },
      ], changeCells, openChange);
      map = new Treemap(byId("treemap"), byId("crumbs"));
      wireFilters();
      byId("weight").addEventListener("change", () => map.draw());
      refresh();
    }
    const drift = data("drift"); // [mirror, path, kind, text]
    if (drift.length > 0) {
      byId("drift-section").hidden = false;
      const cells = (i) => [make("div", "by", drift[i][0]), make("div", "path", drift[i][1]), make("div", "", drift[i][2]), make("div", "why", drift[i][3])];
      const grid = new Grid(byId("drift-grid"), ["Mirror", "Path", "Kind", "What"].map((title, k) => ({ title, key: (i) => drift[i][k] })), cells,
        (i) => details("Changed on disk", [["Path", drift[i][1]], ["Mirror", drift[i][0]], ["Kind", drift[i][2]], ["What", drift[i][3]]]));
      grid.show(Uint32Array.from(drift, (_, i) => i));
    }
    document.documentElement.dataset.ready = "yes";
  }

  start();
})();
