// The canvas with the timeline of connections.

const kHeader = 22; // of a group
const kAxis = 24;
const hatches = ['', '', 'M2 2h1M6 6h1', 'M0 8L8 0', 'M0 0L8 8', 'M0 2L8 2M0 6L8 6', 'M1 1h2M5 5h2',
  'M0 4h8M4 0v8', 'M0 0L8 8M0 8L8 0', 'M2 0v8M6 0v8', '', 'M2 0v8M0 2h8'];

class Timeline {
  constructor(canvas, box, tall) {
    Object.assign(this, { canvas, box, tall, context: canvas.getContext('2d'), groups: [],
      from: 0, to: data.length || 1, row: 14, chosen: null, onChoose: () => {}, onMove: () => {} });
    this.readColors();
    this.waiting = false;
    new ResizeObserver(() => this.draw()).observe(box);
    box.addEventListener('scroll', () => this.draw());
    for (const query of ['(prefers-color-scheme: dark)', 'print'])
      matchMedia(query).addEventListener('change', () => { this.readColors(); this.draw(); });
    this.listen();
  }

  readColors() {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    this.colors = data.states.map((name) => color(`--s-${name.toLowerCase()}`));
    for (const name of ['ground', 'panel', 'ink', 'soft', 'rule', 'grid', 'link'])
      this[name] = color(`--${name}`);
    this.patterns = hatches.map((path) => {
      if (path === '') return null;
      const tile = new OffscreenCanvas(8, 8);
      const context = tile.getContext('2d');
      context.strokeStyle = color('--hatch');
      context.stroke(new Path2D(path));
      return this.context.createPattern(tile, 'repeat');
    });
  }

  // As tall as its lines, within what the style sheet allows; few lines are drawn taller.
  fit(groups) {
    const lines = groups.reduce((all, group) => all + group.lines.length, 0);
    this.row = Math.min(22, Math.max(14, Math.floor(300 / Math.max(lines, 1))));
    const tall = lines * this.row + groups.length * kHeader + kAxis + 8;
    this.box.style.height = `min(32rem, 70vh, ${Math.max(tall, 120)}px)`;
    this.show(groups);
  }

  show(groups) {
    this.groups = groups;
    let top = 0;
    for (const group of groups) {
      group.top = top;
      top += kHeader + group.lines.length * this.row;
    }
    this.tall.style.height = `${Math.max(0, top + kAxis - this.box.clientHeight)}px`;
    this.draw();
  }

  get width() { return this.canvas.clientWidth; }
  get height() { return this.canvas.clientHeight; }
  x(time) { return (time - this.from) / (this.to - this.from) * this.width; }
  time(x) { return this.from + x / this.width * (this.to - this.from); }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.drawNow(); });
  }

  drawNow() {
    const scale = devicePixelRatio || 1;
    const { context, canvas, width, height } = this;
    if (width === 0) return;
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.fillStyle = this.ground;
    context.fillRect(0, 0, width, height);
    context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    context.textBaseline = 'middle';
    this.drawGrid();
    const scrolled = this.box.scrollTop;
    for (const group of this.groups) {
      const top = group.top - scrolled;
      if (top > height) break;
      if (top + kHeader + group.lines.length * this.row > 0) this.drawGroup(group, top);
    }
    this.drawAxis();
    this.onMove();
  }

  ticks() {
    const span = this.to - this.from;
    const most = Math.max(2, Math.floor(this.width / 110));
    let step = 1;
    for (let i = 0; span / step > most; ++i) step *= [2, 2.5, 2][i % 3];
    for (const round of [15e6, 30e6, 60e6, 120e6, 300e6, 600e6, 1800e6, 3600e6, 10800e6, 21600e6, 43200e6, 86400e6])
      if (step > 10e6 && span / round <= most) { step = round; break; }
    const digits = step < 1000 ? 6 : step < 1e6 ? 3 : 0;
    const all = [];
    const first = Math.ceil((data.begin_us + this.from) / step) * step - data.begin_us;
    for (let at = first; at <= this.to; at += step) all.push({ at, text: clockText(at, digits) });
    return all;
  }

  drawGrid() {
    const { context } = this;
    context.fillStyle = this.grid;
    for (const { at } of this.ticks()) context.fillRect(Math.round(this.x(at)), 0, 1, this.height);
  }

  drawAxis() {
    const { context, width, height } = this;
    context.fillStyle = this.ground;
    context.fillRect(0, height - kAxis, width, kAxis);
    context.fillStyle = this.rule;
    context.fillRect(0, height - kAxis, width, 1);
    context.fillStyle = this.soft;
    context.textAlign = 'center';
    for (const { at, text } of this.ticks()) {
      const x = this.x(at);
      if (x > 40 && x < width - 40) context.fillText(text, x, height - kAxis / 2);
    }
    context.textAlign = 'left';
  }

  drawGroup(group, top) {
    const { context, row } = this;
    const first = Math.max(0, Math.floor((-top - kHeader) / row));
    const last = Math.min(group.lines.length, Math.ceil((this.height - top - kHeader) / row));
    for (let i = first; i < last; ++i) this.drawLine(group.lines[i], top + kHeader + i * row);
    const at = Math.max(top, Math.min(0, top + group.lines.length * row));
    context.fillStyle = this.panel;
    context.fillRect(0, at, this.width, kHeader - 2);
    context.fillStyle = this.ink;
    const flagged = group.flagged > 0 ? `, ${group.flagged.toLocaleString('en-US')} flagged` : '';
    context.fillText(`${group.name}  ${countText(group.lives.length, 'connection')}${flagged}`,
      8, at + kHeader / 2 - 1);
  }

  drawLine(line, y) {
    let low = 0;
    let high = line.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (line[middle].end < this.from) low = middle + 1; else high = middle;
    }
    let drawn = -1;
    for (let i = low; i < line.length && line[i].begin <= this.to; ++i) {
      const end = this.x(line[i].end);
      // Lives that end within a pixel that has one already are not seen.
      if (end <= drawn && line[i] !== this.chosen && !line[i].isFlagged) continue;
      this.drawLife(line[i], y);
      drawn = Math.floor(end) + 1;
    }
  }

  drawLife(life, y) {
    const { context, width } = this;
    const tall = Math.max(1, this.row - (this.row > 6 ? 3 : 1));
    const indices = life.mapSpans((i) => i);
    // Each has a pixel at least: where several share one, the longest is seen.
    const length = (i) => spans.end[i] - spans.begin[i];
    for (const i of indices.sort((a, b) => length(a) - length(b))) {
      const x = Math.max(-2, this.x(spans.begin[i]));
      const end = Math.min(width + 2, this.x(spans.end[i]));
      if (end < 0 || x > width) continue;
      const wide = Math.max(end - x, 1);
      context.fillStyle = this.fill(i, x, wide);
      context.fillRect(x, y, wide, tall);
      const pattern = this.patterns[spans.state[i]];
      if (pattern !== null && wide > 5 && tall > 5) {
        context.fillStyle = pattern;
        context.fillRect(x, y, wide, tall);
      }
      this.drawName(i, Math.max(x, 0), y, Math.min(end, width), tall);
    }
    for (const mark of life.marks) this.drawMark(this.x(mark.raised), y, tall);
    if (life !== this.chosen) return;
    const begin = Math.max(-4, this.x(life.begin));
    context.strokeStyle = this.link;
    context.lineWidth = 2;
    context.strokeRect(begin - 1, y - 1, Math.min(this.x(life.end), width + 4) - begin + 2, tall + 2);
    context.lineWidth = 1;
  }

  // What is not exact fades in: over its error, or over a third where it is a lower bound.
  fill(span, x, wide) {
    const color = this.colors[spans.state[span]];
    const error = spans.error[span];
    if (error === 0) return color;
    const share = error < 0 ? 0.34
      : Math.min(1, error / Math.max(1, spans.end[span] - spans.begin[span]));
    if (share * wide < 1) return color;
    const gradient = this.context.createLinearGradient(x, 0, x + wide, 0);
    gradient.addColorStop(0, this.ground);
    gradient.addColorStop(share, color);
    return gradient;
  }

  drawName(span, x, y, end, tall) {
    if (tall < 11 || end - x < 60) return;
    const text = `${data.states[spans.state[span]]} ${dwellText(span)}`;
    const { context } = this;
    const wide = context.measureText(text).width;
    if (wide + 14 > end - x) return;
    context.fillStyle = this.ground;
    context.globalAlpha = 0.82;
    context.fillRect(x + 3, y + 1, wide + 6, tall - 2);
    context.globalAlpha = 1;
    context.fillStyle = this.ink;
    context.fillText(text, x + 6, y + tall / 2 + 0.5);
  }

  // A flag, light around so that it is seen on every colour.
  drawMark(x, y, tall) {
    const { context } = this;
    if (x < -12 || x > this.width + 12) return;
    const flag = new Path2D();
    flag.rect(x - 1, y, 2, tall);
    if (tall >= 6) {
      flag.moveTo(x + 1, y);
      flag.lineTo(x + 9, y + tall / 3);
      flag.lineTo(x + 1, y + tall * 2 / 3);
      flag.closePath();
    }
    context.strokeStyle = this.ground;
    context.lineWidth = 3;
    context.stroke(flag);
    context.lineWidth = 1;
    context.fillStyle = this.ink;
    context.fill(flag);
  }

  setRange(from, to) {
    const all = data.length || 1;
    const length = Math.min(Math.max(to - from, 20), all);
    this.from = Math.max(0, Math.min(from, all - length));
    this.to = this.from + length;
    this.draw();
  }
  zoom(factor, x = this.width / 2) {
    const at = this.time(x);
    const length = (this.to - this.from) * factor;
    this.setRange(at - length * (x / this.width), at + length * (1 - x / this.width));
  }
  pan(share) {
    const by = (this.to - this.from) * share;
    this.setRange(this.from + by, this.to + by);
  }
  setRow(row) {
    this.row = Math.min(32, Math.max(2, row));
    this.show(this.groups);
  }

  // The line and the life below a point; null: none.
  find(x, y) {
    const at = y + this.box.scrollTop;
    const time = this.time(x);
    const near = 4 * (this.to - this.from) / this.width;
    for (const group of this.groups) {
      const line = group.lines[Math.floor((at - group.top - kHeader) / this.row)];
      if (at < group.top + kHeader || line === undefined) continue;
      const distance = (life) => Math.max(life.begin - time, time - life.end, 0);
      const best = line.reduce((a, b) => (distance(b) < distance(a) ? b : a));
      return distance(best) <= near ? best : null;
    }
    return null;
  }

  choose(life) {
    this.chosen = life;
    this.draw();
    this.onChoose(life);
  }
  // The next life in the order of groups and begins.
  step(by) {
    const all = this.groups.flatMap((group) => group.lives);
    if (all.length === 0) return;
    const at = this.chosen === null ? -1 : all.indexOf(this.chosen);
    const life = all[Math.min(all.length - 1, Math.max(0, at + by))];
    this.reveal(life);
    this.choose(life);
  }
  reveal(life) {
    for (const group of this.groups) {
      const line = group.lines.findIndex((each) => each.includes(life));
      if (line < 0) continue;
      const top = group.top + kHeader + line * this.row;
      if (top < this.box.scrollTop + kHeader || top + this.row > this.box.scrollTop + this.height - kAxis)
        this.box.scrollTop = top - this.height / 2;
    }
    if (life.end < this.from || life.begin > this.to) {
      const length = this.to - this.from;
      this.setRange(life.begin - length / 4, life.begin + 3 * length / 4);
    }
  }

  listen() {
    const { canvas } = this;
    const place = (event) => [event.offsetX, event.offsetY];
    let drag = null;
    canvas.addEventListener('pointerdown', (event) => {
      drag = { x: event.clientX, moved: false, from: this.from, to: this.to };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (drag === null) return;
      const by = (drag.x - event.clientX) / this.width * (drag.to - drag.from);
      if (Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
      if (drag.moved) this.setRange(drag.from + by, drag.to + by);
    });
    canvas.addEventListener('pointerup', (event) => {
      if (drag !== null && !drag.moved) this.choose(this.find(...place(event)));
      drag = null;
    });
    canvas.addEventListener('pointercancel', () => { drag = null; });
    canvas.addEventListener('dblclick', (event) => this.zoom(0.25, event.offsetX));
    canvas.addEventListener('wheel', (event) => {
      if (event.ctrlKey) this.zoom(event.deltaY > 0 ? 1.25 : 0.8, event.offsetX);
      else if (event.shiftKey) this.pan(event.deltaY / 1000);
      else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan(event.deltaX / 1000);
      else return;
      event.preventDefault();
    }, { passive: false });
    const keys = {
      ArrowLeft: () => this.pan(-0.2), ArrowRight: () => this.pan(0.2),
      ArrowUp: () => this.step(-1), ArrowDown: () => this.step(1),
      '+': () => this.zoom(0.5), '=': () => this.zoom(0.5), '-': () => this.zoom(2),
      '[': () => this.setRow(this.row - 2), ']': () => this.setRow(this.row + 2),
      Home: () => this.setRange(0, data.length), Escape: () => this.choose(null),
    };
    canvas.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || keys[event.key] === undefined) return;
      event.preventDefault();
      keys[event.key]();
    });
  }
}
