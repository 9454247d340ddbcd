// What the report knows of single connections, from the JSON of the page (page_data.cpp). Times are
// microseconds from the begin of the report. Names are text of other processes: they reach the page
// as textContent or on a canvas, never as HTML.
const data = JSON.parse(document.getElementById('data').textContent);

// Five numbers a span: state, why, gap before it, length, error (-1: a lower bound).
const readSpans = (numbers, begin) => {
  const spans = [];
  let at = begin;
  for (let i = 0; i < numbers.length; i += 5) {
    const [state, why, gap, length, error] = numbers.slice(i, i + 5);
    at += gap;
    spans.push({ state, why, begin: at, end: at + length, error });
    at += length;
  }
  return spans;
};

const readMark = ([flag, cause, raised, cleared, threshold, since, holders, where]) => ({
  flag: data.texts[flag], cause: data.texts[cause], raised, cleared, threshold, since,
  holders: data.texts[holders], where: data.texts[where],
});

const endpoint = (address, port) =>
  `${address.includes(':') ? `[${address}]` : address}:${port || '?'}`;

const readLife = (fields, index) => {
  const [cookie, number, service, owner, local, localPort, peer, peerPort, role, opened, closed,
    ended, timeWaitEnded, endWhy, synsSent, closer, netns, tally, begin, spans, marks] = fields;
  const life = {
    index, cookie, number, netns, localPort, peerPort, synsSent, tally,
    service: data.services[service], owner: data.texts[owner], closer: data.texts[closer],
    peerAddress: data.texts[peer],
    local: endpoint(data.texts[local], localPort), peer: endpoint(data.texts[peer], peerPort),
    role: data.roles[role], opened: data.sides[opened], closed: data.sides[closed],
    ended: ended < 0 ? 'open' : data.endeds[ended],
    timeWaitEnded: timeWaitEnded < 0 ? '' : data.time_wait_endeds[timeWaitEnded],
    endWhy: data.whys[endWhy], spans: readSpans(spans, begin),
    marks: marks === 0 ? [] : marks.map(readMark),
  };
  life.begin = life.spans[0].begin;
  life.end = life.spans[life.spans.length - 1].end;
  return life;
};

const lives = data.lives.map(readLife);
// Names that only one life needs are searched, too.
const searchText = (life) => [life.cookie, life.service, life.owner, life.local, life.peer,
  life.ended, life.closer, ...life.spans.map((span) => data.states[span.state]),
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
const dwellText = (span) => {
  const mark = span.error < 0 ? '≥' : span.error > (span.end - span.begin) / 1e5 ? '~' : '';
  return mark + durationText(span.end - span.begin);
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
