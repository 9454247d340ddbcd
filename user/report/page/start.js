// Connects the timeline with its controls, and the picture of states with a readout.
document.documentElement.classList.add('js');

const byId = (id) => document.getElementById(id);

const startTimeline = () => {
  const panel = byId('tl-life');
  for (const part of document.querySelectorAll('.script')) part.hidden = false;
  const timeline = new Timeline(byId('tl-canvas'), byId('tl-box'), byId('tl-tall'));
  const list = new List(byId('tl-list'), byId('tl-more'), (life) => {
    timeline.reveal(life);
    timeline.choose(life);
    panel.scrollIntoView({ block: 'nearest' });
  });
  let chosen = lives;

  timeline.onChoose = (life) => showLife(panel, life);
  timeline.onMove = () => {
    const all = chosen.length === lives.length ? countText(lives.length, 'connection')
      : `${chosen.length.toLocaleString('en-US')} of ${countText(lives.length, 'connection')} match`;
    byId('tl-status').textContent =
      `${all}, from ${clockText(timeline.from)} to ${clockText(timeline.to)}.`;
  };
  const update = () => {
    const words = byId('tl-search').value.toLowerCase().split(/\s+/).filter((word) => word !== '');
    chosen = words.length === 0 ? lives : lives.filter((life) => {
      const text = searchText(life);
      return words.every((word) => text.includes(word));
    });
    if (timeline.chosen !== null && !chosen.includes(timeline.chosen)) timeline.choose(null);
    timeline.box.scrollTop = 0;
    timeline.fit(layOut(chosen, byId('tl-group').value));
    list.show(chosen);
  };
  byId('tl-search').addEventListener('input', update);
  byId('tl-group').addEventListener('change', update);
  byId('tl-in').addEventListener('click', () => timeline.zoom(0.5));
  byId('tl-out').addEventListener('click', () => timeline.zoom(2));
  byId('tl-all').addEventListener('click', () => timeline.setRange(0, data.length));
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    byId('tl-search').focus();
  });
  update();
  return timeline;
};

// What the picture of states shows at the pointer, or at a time chosen by arrow keys.
const startReadout = () => {
  const figure = document.querySelector('#states figure');
  const { step, now } = data.series;
  const output = element('p');
  output.className = 'readout';
  output.setAttribute('role', 'status');
  figure.append(output);
  figure.tabIndex = 0;
  figure.setAttribute('role', 'group');
  figure.setAttribute('aria-label', 'Connections by state. Arrow keys read out numbers.');
  let bin = now.length - 1;
  const show = () => {
    const parts = now[bin].map((count, state) => [count, data.states[state]])
      .filter(([count, state]) => count > 0 && state !== 'LISTEN')
      .map(([count, state]) => `${state} ${count.toLocaleString('en-US')}`);
    output.textContent = `${clockText(Math.min(data.length, (bin + 1) * step), step < 1e6 ? 1 : 0)}  ` +
      (parts.join(', ') || 'none open');
  };
  const move = (to) => { bin = Math.min(now.length - 1, Math.max(0, to)); show(); };
  figure.addEventListener('pointermove', (event) => {
    const svg = event.target.closest('svg');
    if (svg === null) return;
    const box = svg.getBoundingClientRect();
    const { width } = svg.viewBox.baseVal;
    const left = width > 500 ? 56 : 44; // as Canvas in svg.h
    const x = (event.clientX - box.left) / box.width * width;
    move(Math.floor((x - left) / (width - left - 12) * data.length / step));
  });
  figure.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowLeft') move(bin - 1);
    else if (event.key === 'ArrowRight') move(bin + 1);
    else return;
    event.preventDefault();
  });
};

if (byId('tl-canvas') !== null) startTimeline();
startReadout();
