// Puts lives into groups and lines: within a group, lives share a line as long as none overlap.
// Flagged ones have lines of their own, which come first.

const groupKeys = {
  service: (life) => life.service,
  owner: (life) => life.owner,
  peer: (life) => life.peerAddress,
  port: (life) => (life.role === 'client' ? `to port ${life.peerPort}` : `port ${life.localPort}`),
  state: (life) => life.lastState,
  ended: (life) => life.ended,
  none: () => 'all',
};

// A heap of lines, the one that ended first on top.
class Lines {
  constructor() { this.heap = []; }
  push(line) {
    const { heap } = this;
    let at = heap.push(line) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent].end <= heap[at].end) break;
      [heap[parent], heap[at]] = [heap[at], heap[parent]];
      at = parent;
    }
  }
  top() { return this.heap[0]; }
  pop() {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0) return first;
    heap[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      let least = at;
      if (left < heap.length && heap[left].end < heap[least].end) least = left;
      if (left + 1 < heap.length && heap[left + 1].end < heap[least].end) least = left + 1;
      if (least === at) return first;
      [heap[least], heap[at]] = [heap[at], heap[least]];
      at = least;
    }
  }
}

const pack = (group) => {
  const lines = [];
  const free = new Lines();
  for (const life of group) {
    let line = free.top();
    if (line !== undefined && line.end < life.begin) {
      free.pop();
    } else {
      line = { lives: [], end: 0 };
      lines.push(line);
    }
    line.lives.push(life);
    line.end = life.end;
    free.push(line);
  }
  return lines.map((line) => line.lives);
};

// [{ name, lives, lines }]: groups with flagged lives first, then the largest.
const layOut = (chosen, by) => {
  const groups = new Map();
  for (const life of chosen) {
    const key = groupKeys[by](life);
    if (!groups.has(key)) groups.set(key, { name: key, lives: [], flagged: 0 });
    const group = groups.get(key);
    group.lives.push(life);
    group.flagged += life.isFlagged ? 1 : 0;
  }
  const all = [...groups.values()].sort((a, b) => b.flagged - a.flagged ||
    b.lives.length - a.lives.length || (a.name < b.name ? -1 : 1));
  for (const group of all) {
    group.lives.sort((a, b) => a.begin - b.begin || a.index - b.index);
    group.lines = [...pack(group.lives.filter((life) => life.isFlagged)),
      ...pack(group.lives.filter((life) => !life.isFlagged))];
  }
  return all;
};
