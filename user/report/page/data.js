// What the report knows of single connections. Names are text of other processes: they reach the
// page as textContent or on a canvas, never as HTML.
//
// The page may have 50,000 connections. They stay numbers in columns: an object for each state of
// each would take three times the memory.

// Removes the element, whose text is as long as the rest of the page.
const takeText = (element) => {
  const text = element.textContent;
  element.remove();
  return text;
};
const data = JSON.parse(takeText(document.getElementById('data')));

// Numbers of packed_lives.cpp: LEB128, zigzag-encoded where they can be negative.
class Numbers {
  constructor(base64) {
    this.bytes = atob(base64);
    this.at = 0;
  }
  get isAtEnd() { return this.at >= this.bytes.length; }
  next() { // below 2^53, so not by shifts
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes.charCodeAt(this.at++);
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }
  signed() {
    const value = this.next();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}

// In the order of PackedLives::add.
const kFields = ['cookieLow', 'cookieHigh', 'number', 'service', 'owner', 'local', 'localPort', 'peer',
  'peerPort', 'role', 'opened', 'closed', 'ended', 'timeWaitEnded', 'synsSent', 'closer',
  'netns'];
const field = Object.fromEntries(kFields.map((name, i) => [name, i]));
const fields = new Uint32Array(kFields.length * data.lives);
const tallies = new Map(); // by life: bytes sent and received, retransmits, round trip in us
const marks = new Map(); // by life
const spans = { // of all lives; the first of life i is at first[i]
  first: new Uint32Array(data.lives + 1),
  state: new Uint8Array(data.spans),
  why: new Uint8Array(data.spans),
  begin: new Float64Array(data.spans), // microseconds since the begin of the report
  end: new Float64Array(data.spans),
  error: new Float64Array(data.spans), // -1: a lower bound
};

const readSpans = (numbers, life) => {
  let at = numbers.signed();
  const end = spans.first[life] + numbers.next();
  for (let i = spans.first[life]; i < end; ++i) {
    spans.state[i] = numbers.next();
    spans.why[i] = numbers.next();
    at += numbers.signed();
    spans.begin[i] = at;
    at += numbers.signed();
    spans.end[i] = at;
    spans.error[i] = numbers.next() - 1;
  }
  spans.first[life + 1] = end;
};
const readMark = (numbers) => {
  const text = () => data.texts[numbers.next()];
  return {
    flag: text(), cause: text(), raised: numbers.signed(),
    cleared: numbers.next() === 0 ? null : numbers.signed(),
    threshold: numbers.next(), since: numbers.signed(), holders: text(), where: text(),
  };
};
const readLife = (numbers, life) => {
  for (let i = 0; i < kFields.length; ++i) fields[life * kFields.length + i] = numbers.next();
  if (numbers.next() !== 0)
    tallies.set(life, Float64Array.of(numbers.next(), numbers.next(), numbers.next(), numbers.next()));
  readSpans(numbers, life);
  const count = numbers.next();
  if (count > 0) marks.set(life, Array.from({ length: count }, () => readMark(numbers)));
};

const endpoint = (address, port) =>
  `${address.includes(':') ? `[${address}]` : address}:${port || '?'}`;
const kNoMarks = [];

class Life {
  constructor(index) { this.index = index; }
  of(name) { return fields[this.index * kFields.length + field[name]]; }
  get cookie() {
    const [high, low] = [this.of('cookieHigh'), this.of('cookieLow')].map((half) => half.toString(16));
    return high === '0' ? low : high + low.padStart(8, '0');
  }
  get number() { return this.of('number'); }
  get netns() { return this.of('netns'); }
  get localPort() { return this.of('localPort'); }
  get peerPort() { return this.of('peerPort'); }
  get synsSent() { return this.of('synsSent'); }
  get service() { return data.services[this.of('service')]; }
  get owner() { return data.texts[this.of('owner')]; }
  get closer() { return data.texts[this.of('closer')]; }
  get peerAddress() { return data.texts[this.of('peer')]; }
  get local() { return endpoint(data.texts[this.of('local')], this.localPort); }
  get peer() { return endpoint(this.peerAddress, this.peerPort); }
  get role() { return data.roles[this.of('role')]; }
  get opened() { return data.sides[this.of('opened')]; }
  get closed() { return data.sides[this.of('closed')]; }
  get ended() { return this.of('ended') === 0 ? 'open' : data.endeds[this.of('ended') - 1]; }
  get timeWaitEnded() {
    const ended = this.of('timeWaitEnded');
    return ended === 0 ? '' : data.time_wait_endeds[ended - 1];
  }
  get tally() { return tallies.get(this.index) ?? null; }
  get marks() { return marks.get(this.index) ?? kNoMarks; }
  get isFlagged() { return marks.has(this.index); }
  get firstSpan() { return spans.first[this.index]; }
  get endSpan() { return spans.first[this.index + 1]; } // behind the last one
  get begin() { return spans.begin[this.firstSpan]; }
  get end() { return spans.end[this.endSpan - 1]; }
  get lastState() { return data.states[spans.state[this.endSpan - 1]]; }
  // f of the index of each span.
  mapSpans(f) { return Array.from({ length: this.endSpan - this.firstSpan }, (_, i) => f(this.firstSpan + i)); }
}

const lives = [];
for (const chunk of document.querySelectorAll('.lives')) {
  const numbers = new Numbers(takeText(chunk));
  for (; !numbers.isAtEnd; lives.push(new Life(lives.length))) readLife(numbers, lives.length);
}
// Names that only one life needs are searched, too.
const searchText = (life) => [life.cookie, life.service, life.owner, life.local, life.peer,
  life.ended, life.closer, ...life.mapSpans((i) => data.states[spans.state[i]]),
  ...life.marks.map((mark) => `flagged ${mark.flag} ${mark.cause} ${mark.holders} ${mark.where}`),
].join(' ').toLowerCase();

// "17us", "812us", "41.3ms", "4.507s", "2m03s", "2h03m": as the rest of the report.
const two = (value) => String(value).padStart(2, '0');
const durationText = (micros) => {
  if (micros < 1000) return `${Math.floor(micros)}us`;
  if (micros < 1e6) {
    const digits = micros < 1e4 ? 2 : micros < 1e5 ? 1 : 0;
    return `${(Math.floor(micros / 1000 * 10 ** digits) / 10 ** digits).toFixed(digits)}ms`;
  }
  const seconds = Math.floor(micros / 1e6);
  if (seconds < 100) return `${(Math.floor(micros / 1000) / 1000).toFixed(3)}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h${two(Math.floor(seconds / 60) % 60)}m`;
  return `${Math.floor(seconds / 86400)}d${two(Math.floor(seconds / 3600) % 24)}h`;
};
const dwellText = (i) => { // of a span
  const length = spans.end[i] - spans.begin[i];
  const mark = spans.error[i] < 0 ? '≥' : spans.error[i] > length / 1e5 ? '~' : '';
  return mark + durationText(length);
};
// UTC, or seconds from the begin where the date is not known.
const clockText = (micros, digits = 3) => {
  if (data.begin_us === 0) return `+${(micros / 1e6).toFixed(digits)}s`;
  const at = data.begin_us + Math.floor(micros); // below 2^53
  const text = new Date(Math.floor(at / 1e6) * 1000).toISOString().slice(11, 19);
  return digits === 0 ? text : `${text}.${String(at % 1e6).padStart(6, '0').slice(0, digits)}`;
};
const countText = (count, noun) =>
  `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
