// One connection in full, and the list of the connections that match.

const element = (tag, text, ...children) => {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
};
const row = (cells, tag = 'td') => element('tr', '', ...cells.map((cell) => element(tag, cell)));
const fact = (name, value) => element('div', '', element('dt', name), element('dd', value));

const endText = (life) => {
  if (life.ended === 'open') return 'open at the end of the report';
  const who = { local: 'this host closed first', remote: 'the peer closed first',
    both: 'both closed', none: 'neither closed', unknown: 'unknown who closed first' };
  return `${life.ended}, ${who[life.closed]}` +
    (life.timeWaitEnded === '' ? '' : `, TIME_WAIT ${life.timeWaitEnded}`);
};

const factsOf = (life) => {
  const facts = element('dl', '', fact('local', life.local), fact('peer', life.peer),
    fact('role', life.role), fact('service', life.service), fact('owner', life.owner),
    fact('opened by', life.opened), fact('end', endText(life)),
    fact('cookie', life.cookie === '0' ? 'none' : life.cookie + (life.number > 0 ? `, life ${life.number}` : '')),
    fact('network namespace', String(life.netns)));
  facts.className = 'facts';
  if (life.closer !== '-') facts.append(fact('closed by', life.closer));
  if (life.synsSent > 1) facts.append(fact('SYN or SYN-ACK sent', `${life.synsSent} times`));
  if (life.tally !== null) {
    const [sent, received, retransmits, srtt] = life.tally;
    facts.append(fact('sent', countText(sent, 'byte')), fact('received', countText(received, 'byte')),
      fact('retransmits', String(retransmits)),
      fact('round trip', srtt === 0 ? 'unknown' : durationText(srtt)));
  }
  return facts;
};

const spansOf = (life) => {
  const body = element('tbody');
  for (let i = life.firstSpan; i < life.endSpan; ++i) {
    const error = spans.error[i];
    body.append(row([data.states[spans.state[i]], clockText(spans.begin[i], 6), dwellText(i),
      error < 0 ? 'began earlier' : error === 0 ? 'exact' : `± ${durationText(error)}`,
      spans.why[i] === 0 ? '' : data.whys[spans.why[i]]]));
  }
  const head = element('thead', '', row(['state', 'from', 'for', 'error', 'caused by'], 'th'));
  const table = element('table', '', head, body);
  return element('div', '', table);
};

const marksOf = (life) => life.marks.map((mark) => {
  const cause = mark.cause === '' ? '' : ` (${mark.cause})`;
  const until = mark.cleared === null ? 'and still was at the end'
    : `until ${clockText(mark.cleared)}`;
  const text = `Flagged ${mark.flag}${cause} at ${clockText(mark.raised)}, after ` +
    `${durationText(mark.raised - mark.since)}, ${until}.` +
    (mark.holders === '' ? '' : ` Held by ${mark.holders}.`);
  return element('p', text, ...(mark.where === '' ? [] : [' ', element('code', mark.where)]));
});

const showLife = (panel, life) => {
  panel.hidden = life === null;
  if (life === null) return;
  const title = element('h3', `${life.local} — ${life.peer}`);
  panel.replaceChildren(title, factsOf(life), ...marksOf(life), spansOf(life));
};

class List {
  constructor(details, more, onChoose) {
    Object.assign(this, { details, more, onChoose, lives: [], shown: 0 });
    this.body = details.querySelector('tbody');
    details.addEventListener('toggle', () => this.fill());
    more.addEventListener('click', () => this.add());
  }
  show(chosen) {
    this.lives = chosen;
    this.body.replaceChildren();
    this.shown = 0;
    this.fill();
  }
  fill() {
    if (this.details.open && this.shown === 0) this.add();
    this.more.hidden = this.shown >= this.lives.length;
  }
  add() {
    for (const life of this.lives.slice(this.shown, this.shown + 100)) {
      const button = element('button', clockText(life.begin));
      button.type = 'button';
      button.addEventListener('click', () => this.onChoose(life));
      const path = life.mapSpans((i) => `${data.states[spans.state[i]]} ${dwellText(i)}`).join(', ');
      this.body.append(element('tr', '', element('td', '', button),
        ...[life.service, life.owner, life.local, life.peer, path, life.ended]
          .map((text) => element('td', text))));
    }
    this.shown = Math.min(this.lives.length, this.shown + 100);
    this.more.hidden = this.shown >= this.lives.length;
  }
}
