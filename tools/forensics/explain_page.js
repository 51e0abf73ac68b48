'use strict';
// What is shown: a story, or the report of an incident with the stories of those concerned.
const data = JSON.parse(document.getElementById('data').textContent);
const report = data.stories ? data : null;
const stories = report ? report.stories : [data];

// Everything gets onto the page through these functions, and strings only as text.
function put(parent, tag, attributes, text) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}
function draw(parent, tag, attributes, text) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

// Times have microseconds, a Date does not: use Date for the day, and the string for the rest.
function micros(time) { return Date.parse(time.slice(0, 19) + 'Z') * 1000 + Number(time.slice(20, 26)); }
function lasted(us) {
  const s = Math.floor(us / 1e6);
  if (us === 0) return '0 s';
  if (s < 1) return Math.ceil(us / 1000) + ' ms';
  if (s < 60) return (us / 1e6).toFixed(s < 10 ? 2 : 1) + ' s';
  const two = (n) => String(n).padStart(2, '0');
  if (s < 3600) return Math.floor(s / 60) + ' min ' + two(s % 60) + ' s';
  if (s < 86400) return Math.floor(s / 3600) + ' h ' + two(Math.floor(s / 60) % 60) + ' min';
  return Math.floor(s / 86400) + ' d ' + Math.floor(s / 3600) % 24 + ' h';
}
function clock(entry) { return entry.record.time.slice(11, 23); }
function clamp(least, value, most) { return Math.max(least, Math.min(value, most)); }
function arrow(svg, from, to, y, isBack) {
  const tip = to < from ? to + 7 : to - 7;
  draw(svg, 'line', {class: 'arrow' + (isBack ? ' back' : ''), x1: from, x2: tip, y1: y, y2: y});
  draw(svg, 'path', {class: 'head' + (isBack ? ' back' : ''), d: `M ${to} ${y} L ${tip} ${y - 4.5} L ${tip} ${y + 4.5} Z`});
}

function causeMark(svg, x, y, r) {
  draw(svg, 'path', {class: 'cause-mark', d: `M ${x} ${y - r} L ${x + r} ${y} L ${x} ${y + r} L ${x - r} ${y} Z`});
}
function brokenInWords(broken) {
  return 'From record ' + broken.seq + ' on, ' + (broken.kind === 'diverges' ? 'nothing is told: ' : 'the log cannot be read: ') +
      broken.why + (broken.raw ? '. As it stands: ' + broken.raw.slice(0, 300) + (broken.raw.length > 300 ? '…' : '') : '');
}

/// Tells one story in a place of its own.
function tell(story, place) {
  const entries = story.entries;
  const at = new Map(entries.map((entry, index) => [entry.seq, index]));

  // The columns: time and seq, the tasks' stages, the actors' lanes, words. If the page is too narrow for them, times stand
  // with the words.
  const tracks = story.tasks.length, lanes = story.lanes.length;
  const graph = {};
  function measure() {
    const left = 180, words = 340;
    const track = clamp(34, 220 / Math.max(1, tracks), 120);
    const lane = (innerWidth - left - track * tracks - 34 - words) / lanes;
    graph.isNarrow = innerWidth < 760 || lane < 34;
    graph.left = graph.isNarrow ? 0 : left;
    graph.track = graph.isNarrow ? clamp(10, 60 / Math.max(1, tracks), 26) : track;
    graph.lanes = graph.left + (graph.isNarrow ? 6 : 12) + graph.track * tracks + (graph.isNarrow ? 2 : 8);
    graph.lane = graph.isNarrow ? clamp(15, (innerWidth - graph.lanes - 300) / lanes, 44) : Math.min(lane, 84, Math.max(52, 560 / lanes));
    graph.words = graph.lanes + graph.lane * lanes + (graph.isNarrow ? 8 : 14);
    place.section.classList.toggle('narrow', graph.isNarrow);
  }
  const hosts = [...new Set(story.lane_hosts.filter((host) => host))].sort();
  /// The classes that colour what belongs to a machine, if several go by one name.
  function hostClass(lane) {
    const host = story.lane_hosts[lane];
    return host ? ' host host' + hosts.indexOf(host) % 6 : '';
  }
  function laneX(lane) { return graph.lanes + graph.lane * (lane + 0.5); }
  function trackX(task) { return graph.left + (graph.isNarrow ? 6 : 12) + graph.track * story.tasks.findIndex((each) => each.id === task); }

  function isGrave(index) { return story.findings[index].kind !== 'unchecked'; }
  // Incidents, or what check names first.
  const hasIncident = story.findings.some((finding) => finding.kind === 'incident');
  function isCause(index) { return hasIncident ? story.findings[index].kind === 'incident' : index === 0 && isGrave(0); }
  function kindOf(index) {
    const kind = story.findings[index].kind.replaceAll('_', ' ');
    return isCause(index) ? 'the cause' + (kind === 'incident' ? '' : ', ' + kind) : kind;
  }

  function showHeader() {
    const items = [...new Set(story.tasks.map((task) => task.work_item))].join(', ');
    const title = story.subject + (items && !story.subject.endsWith(items) ? ' · ' + items : '');
    place.title.textContent = title;
    const about = place.about;
    for (const task of story.tasks) {
      const line = put(about, 'p');
      line.append('task ' + task.id + ' of ' + task.repo + (task.branch ? ', branch ' + task.branch : '') + ': ');
      put(line, 'b', {}, task.stage + ', version ' + task.version);
      line.append(' since ' + task.entered_at.slice(0, 19).replace('T', ' ') + ', by ' + task.entered_by);
      if (task.blocked) put(line, 'b', {class: 'blocked'}, ' · blocked: ' + task.blocked);
    }
    const first = entries[0].record.time, last = entries[entries.length - 1].record.time;
    put(about, 'p', {}, entries.length + ' of ' + story.log_records + ' records, over ' +
        lasted(micros(last) - micros(first)) + '. Times are UTC.' +
        (story.torn_at ? ' Records from ' + story.torn_at + ' on are torn.' : '') +
        (story.redacted ? ' The log is redacted: its names and texts are replaced.' : ''));
    if (story.broken) put(about, 'p', {class: 'broken'}, brokenInWords(story.broken));
    story.findings.forEach((finding, index) => {
      const card = put(place.findings, 'div', {class: 'finding ' + finding.kind + (isCause(index) ? ' cause' : '')});
      const head = put(card, 'button', {type: 'button'});
      put(head, 'b', {}, (isCause(index) ? '\u25c6 ' : '') + kindOf(index) + ', record ' + finding.seq);
      head.append(finding.what);
      head.addEventListener('click', () => pick(finding.seq, true));
      const isUnchecked = finding.kind === 'unchecked';
      for (const [name, seqs] of [['led by ', finding.led_by], [isUnchecked ? 'and so ' : 'shown by ', finding.followed_by]]) {
        if (!seqs.length) continue;
        const line = put(card, 'p', {}, name);
        seqLinks(line, seqs.slice(0, 12));
        if (seqs.length > 12) line.append(' and ' + (seqs.length - 12) + ' more');
      }
      for (const decided of finding.decided) put(card, 'p', {class: 'decided'}, decided);
    });
  }

  function fillWords(words, entry) {
    const head = put(words, 'div');
    put(head, 'span', {class: 'who' + hostClass(entry.lane)}, story.lanes[entry.lane]);
    head.append(' ' + entry.says);
    if (entry.refused) put(head, 'span', {class: 'code'}, entry.record.outcome);
    if (entry.record.unchecked) put(head, 'span', {class: 'code off'}, 'unchecked');
    for (const note of entry.notes) put(words, 'div', {class: 'note'}, note);
    for (const index of entry.findings) {
      if (isGrave(index)) put(words, 'div', {class: 'found'}, (isCause(index) ? '\u25c6 ' : '\u25b2 ') + kindOf(index));
    }
  }

  // A row is as high as its text. So create all rows first, then measure them together, then draw the picture to fit.
  function putRow(chart, entry, before) {
    const row = put(chart, 'div', {class: 'row', tabindex: '0', role: 'button', 'aria-label': 'record ' + entry.seq});
    const isSameTime = before && before.record.time === entry.record.time;
    const words = put(row, 'div', {class: 'words'});
    words.style.marginLeft = graph.words + 'px';
    if (graph.isNarrow) {
      const when = put(words, 'div', {class: 'when', title: entry.record.time});
      when.append(entry.seq + (isSameTime ? '' : ' · ' + clock(entry)));
    } else {
      put(row, 'span', {class: 'time', title: entry.record.time}, isSameTime ? '' : clock(entry));
      put(row, 'span', {class: 'seq'}, entry.seq);
    }
    fillWords(words, entry);
    if (entry.seq === picked) fillDetail(put(words, 'div', {class: 'detail'}), entry);
    row.classList.toggle('bad', entry.findings.some(isGrave));
    row.classList.toggle('cause', entry.findings.some(isCause));
    row.classList.toggle('picked', entry.seq === picked);
    row.addEventListener('click', (event) => {
      if (!event.target.closest('.detail')) pick(entry.seq === picked ? null : entry.seq, false);
    });
    entry.row = row;
    entry.words = words;
  }

  function silenceBefore(entry, before) {
    const gap = before ? micros(entry.record.time) - micros(before.record.time) : 0;
    if (gap < 1e7) return null;
    const others = entry.seq - before.seq - 1;
    if (others === 0) return lasted(gap) + ' of silence';
    return lasted(gap) + ' without it, while ' + others + (others === 1 ? ' other record was' : ' others were') + ' written';
  }

  // Records that repeat the one before stand behind one line, until somebody asks for them.
  const unfolded = new Set();
  function isHidden(entry) { return entry.like !== null && !unfolded.has(entry.like); }
  function isFirstOfRun(index) { return entries[index].like !== null && entries[index - 1].like !== entries[index].like; }

  function putFold(chart, index) {
    const first = entries[index];
    let end = index;
    while (end < entries.length && entries[end].like === first.like) end += 1;
    const last = entries[end - 1], day = last.record.time.slice(0, 10);
    const text = isHidden(first)
        ? (end - index) + ' more like this, until ' + (day === first.record.time.slice(0, 10) ? '' : day + ' ') +
          clock(last).slice(0, 8) + ' (records ' + first.seq + ' to ' + last.seq + ')'
        : 'fold the next ' + (end - index) + ' again';
    const fold = put(chart, 'button', {class: 'fold', type: 'button', 'aria-expanded': String(!isHidden(first))}, text);
    fold.style.paddingLeft = graph.words + 'px';
    fold.addEventListener('click', () => {
      if (!unfolded.delete(first.like)) unfolded.add(first.like);
      if (picked !== null && isHidden(entries[at.get(picked)])) picked = first.like;
      layOut();
      entries[at.get(first.like)].row.focus({preventScroll: true});
    });
    return fold;
  }

  function putRows(chart) {
    let shown = null;
    entries.forEach((entry, index) => {
      const silence = isHidden(entry) ? null : silenceBefore(entry, entries[index - 1]);
      entry.band = silence ? put(chart, 'div', {class: 'silence'}, silence) : null;
      if (entry.band) entry.band.style.paddingLeft = graph.words + 'px';
      entry.fold = isFirstOfRun(index) ? putFold(chart, index) : null;
      entry.row = null;
      if (!isHidden(entry)) putRow(chart, entry, shown);
      shown = entry;
    });
    const heights = entries.map((entry) => entry.row ? Math.max(30, entry.words.offsetHeight + 10) : 0);
    const bandHeights = entries.map((entry) => entry.band ? entry.band.offsetHeight + 12 : 0);
    const foldHeights = entries.map((entry) => entry.fold ? entry.fold.offsetHeight : 0);
    let y = 6, day = '';
    entries.forEach((entry, index) => {
      entry.gapAbove = entry.band ? [y, y + bandHeights[index]] : null;
      if (entry.band) {
        entry.band.style.top = y + 5 + 'px';
        y += bandHeights[index];
      }
      if (!isHidden(entry) && entry.record.time.slice(0, 10) !== day) {
        day = entry.record.time.slice(0, 10);
        put(chart, 'div', {class: 'day'}, day).style.top = y + 5 + 'px';
        y += 28;
      }
      if (entry.fold) {
        entry.fold.style.top = y + 'px';
        entry.foldY = y + foldHeights[index] / 2;
        y += foldHeights[index];
      }
      if (!entry.row) {
        entry.y = entry.fold ? entry.foldY : entries[index - 1].y;
        return;
      }
      entry.row.style.top = y + 'px';
      entry.row.style.height = heights[index] + 'px';
      entry.y = y + (graph.isNarrow ? 13 : 15);
      y += heights[index];
    });
    return y + 14;
  }

  /// Where a record with that seq is, or would be.
  function yOf(seq, height) {
    if (at.has(seq)) return entries[at.get(seq)].y;
    const after = entries.find((entry) => entry.seq > seq);
    return after ? after.y - 15 : height - 8;
  }

  /// Heads are never cut: if one is wider than its lane, all of them lean, and the strip is as high as the longest needs.
  function putHeads() {
    const strip = place.lanes;
    const heads = story.lanes.map((lane, index) => put(strip, 'span', {title: lane, class: 'lanehead' + hostClass(index)}, lane));
    const widest = Math.max(0, ...heads.map((head) => head.offsetWidth));
    const leans = widest > graph.lane - 6, isSteep = leans && graph.isNarrow;
    strip.classList.toggle('steep', isSteep);
    heads.forEach((head, index) => {
      head.classList.add(leans ? 'slanted' : 'upright');
      head.style.left = (leans ? laneX(index) : laneX(index) - graph.lane / 2) + 'px';
      if (!leans) head.style.width = graph.lane + 'px';
    });
    strip.style.height = Math.ceil(leans ? 24 + widest * (isSteep ? 0.87 : 0.62) : 34) + 'px';
    if (graph.isNarrow) return;
    for (const task of story.tasks) {
      const name = put(strip, 'span', {class: 'track'}, tracks === 1 ? 'stage' : 'task ' + task.id);
      name.style.left = trackX(task.id) + 'px';
      name.style.width = graph.track - 8 + 'px';
    }
  }

  function drawLanes(svg, height) {
    story.lanes.forEach((lane, index) => {
      draw(svg, 'line', {class: 'lane' + hostClass(index), x1: laneX(index), x2: laneX(index), y1: 0, y2: height});
    });
    for (const entry of entries) {
      if (!entry.gapAbove) continue;
      const [top, bottom] = entry.gapAbove;
      for (let x = graph.lanes; x < graph.words - 14; x += 9) {
        draw(svg, 'line', {class: 'hatch', x1: x, x2: x + 9, y1: bottom - 8, y2: top + 8});
      }
    }
  }

  function drawStays(svg, height) {
    story.stays.forEach((stay, index) => {
      const top = Math.max(2, yOf(stay.from, height)), bottom = stay.to ? yOf(stay.to, height) : height - 4;
      if (bottom <= top) return;
      const x = trackX(stay.task), width = graph.track - (graph.isNarrow ? 4 : 8);
      const group = draw(svg, 'g');
      draw(group, 'title', {}, stay.stage + ', version ' + stay.version);
      draw(group, 'rect', {class: 'stay' + (index % 2 ? ' other' : ''), x, y: top + 1, width, height: Math.max(4, bottom - top - 2), rx: 4});
      if (width < 60) {
        if (width > 14 && bottom - top > stay.stage.length * 6.4 + 10) {
          draw(group, 'text', {class: 'barlabel', transform: `translate(${x + width / 2 - 4} ${top + 6}) rotate(90)`}, stay.stage);
        }
        return;
      }
      if (bottom - top < 20) return;
      const letters = Math.floor(width / 7.2);
      const cut = stay.stage.length > letters ? stay.stage.slice(0, letters - 1) + '…' : stay.stage;
      const name = draw(group, 'text', {class: 'stayname', x: x + 8, y: top + 19}, cut);
      if (bottom - top >= 36) {
        draw(group, 'text', {class: 'barlabel', x: x + 8, y: top + 33}, 'v' + stay.version);
      }
      name.setAttribute('textLength', Math.min(width - 12, name.getComputedTextLength()));
    });
  }

  // Bars that overlap on a lane are drawn side by side.
  function drawSpans(svg, height) {
    const taken = story.lanes.map(() => []);
    for (const span of story.spans) {
      const top = yOf(span.from, height), bottom = Math.max(top + 8, span.to ? yOf(span.to, height) : height - 6);
      const columns = taken[span.lane];
      let column = columns.findIndex((free) => free < top);
      if (column < 0) column = columns.length;
      columns[column] = bottom;
      const side = column % 2 ? -1 : 1;
      const x = laneX(span.lane) - 3 + side * (graph.isNarrow ? 5 + 5 * Math.floor(column / 2) : 13 + 20 * Math.floor(column / 2));
      const thick = graph.isNarrow ? 4 : 6;
      const group = draw(svg, 'g', {class: 'bar'});
      draw(group, 'title', {}, (span.kind === 'job' ? '' : span.kind + ' ') + span.label +
          (span.holds ? '' : ', which kept no one out') + (span.to ? ', ' + span.how + ' after ' +
          lasted(micros(span.ended_at) - micros(span.begun_at)) : ', not ended in this log'));
      const isBad = ['reaped', 'reclaimed', 'failed'].includes(span.how);
      draw(group, 'rect', {class: span.holds ? span.kind + (isBad ? ' ended-badly' : '') : 'holds-nothing', x, y: top, width: thick, height: bottom - top, rx: 3});
      const letters = (span.kind === 'job' || span.kind === 'lease' ? '' : span.kind + ' ') + span.label;
      if (!graph.isNarrow && bottom - top > letters.length * 6.2 + 14) {
        draw(group, 'text', {class: 'barlabel', transform: `translate(${side > 0 ? x + 9 : x - 10} ${top + 6}) rotate(90)`}, letters);
      }
      if (!span.to) draw(group, 'line', {class: 'open-end', x1: x - 4, x2: x + 10, y1: bottom, y2: bottom});
      span.x = x;
      span.top = top;
      span.bottom = bottom;
    }
  }

  function drawEntries(svg) {
    for (const entry of entries) {
      if (isHidden(entry)) continue;
      const x = laneX(entry.lane), y = entry.y;
      const isMove = !entry.refused && ['StageTransition', 'TaskCreated', 'TaskCancelled'].includes(entry.record.type);
      if (isMove && story.tasks.some((task) => task.id === entry.task)) {
        arrow(svg, x - 8, trackX(entry.task) + graph.track - (graph.isNarrow ? 4 : 8), y, entry.back);
      }
      for (const seq of entry.refused ? entry.because : []) {
        if (!at.has(seq) || entries[at.get(seq)].record.type === 'SettingChanged') continue;
        const other = entries[at.get(seq)];
        const held = story.spans.find((span) => span.kind === 'lease' && span.from === seq);
        const bar = held && held.top <= y && y <= held.bottom ? held.x + 3 : null;
        if (bar !== null) {
          draw(svg, 'path', {class: 'blame', d: `M ${x} ${y} L ${bar} ${y}`});
        } else {
          const bend = x + (other.lane > entry.lane ? 20 : -20);
          draw(svg, 'path', {class: 'blame', d: `M ${x} ${y} C ${bend} ${y} ${laneX(other.lane)} ${y} ${laneX(other.lane)} ${other.y + 8}`});
        }
      }
    }
    for (const entry of entries) {
      const x = laneX(entry.lane), y = entry.y;
      if (entry.fold && isHidden(entry)) {
        draw(svg, 'circle', {class: 'halo', cx: x, cy: y, r: 9});
        for (const dy of [-5, 0, 5]) draw(svg, 'circle', {class: 'more', cx: x, cy: y + dy, r: 1.8});
      }
      if (isHidden(entry)) continue;
      if (entry.refused) {
        draw(svg, 'circle', {class: 'halo', cx: x, cy: y, r: 8});
        draw(svg, 'path', {class: 'cross', d: `M ${x - 4.5} ${y - 4.5} L ${x + 4.5} ${y + 4.5} M ${x - 4.5} ${y + 4.5} L ${x + 4.5} ${y - 4.5}`});
      } else {
        draw(svg, 'circle', {class: 'dot' + (entry.record.unchecked ? ' unchecked' : hostClass(entry.lane)), cx: x, cy: y, r: 6});
      }
      if (entry.findings.some(isCause)) {
        causeMark(svg, x, y, 12);
      } else if (entry.findings.some(isGrave)) {
        draw(svg, 'circle', {class: 'ring', cx: x, cy: y, r: 10.5});
      }
    }
  }

  function seqLinks(parent, seqs) {
    seqs.forEach((seq, index) => {
      if (index) parent.append(', ');
      const other = at.has(seq) ? entries[at.get(seq)] : null;
      const link = put(parent, other ? 'a' : 'span', other ? {href: '#record-' + seq} : {}, seq + (other ? ' ' + other.record.type + ' by ' + other.record.actor : ''));
      if (other) link.addEventListener('click', (event) => { event.preventDefault(); pick(seq, true); });
    });
  }

  function fillDetail(detail, entry) {
    const record = entry.record;
    const list = put(detail, 'dl');
    const say = (name, text) => {
      put(list, 'dt', {}, name);
      put(list, 'dd', {}, text);
    };
    const point = (name, seqs) => {
      if (!seqs.length) return;
      put(list, 'dt', {}, name);
      seqLinks(put(list, 'dd'), seqs);
    };
    say('record', entry.seq + ' ' + record.type + (record.group !== entry.seq ? ', in one group with ' + record.group : ''));
    say('time', record.time);
    say('actor', record.actor);
    say('boot', record.boot);
    say('outcome', record.outcome + (record.unchecked ? ', unchecked' : ''));
    if (record.key) say('key', record.key);
    point('rests on', entry.because);
    point('on it rest', entries.filter((other) => other.because.includes(entry.seq)).map((other) => other.seq));
    for (const finding of story.findings) {
      if (finding.seq !== entry.seq) continue;
      say(finding.kind.replaceAll('_', ' '), finding.what);
      point('led by', finding.led_by);
      point('shown by', finding.followed_by);
    }
    const rest = {data: record.data, effects: record.effects, digest: record.digest, chain: record.chain};
    put(detail, 'pre', {}, JSON.stringify(rest, null, 2));
  }

  let picked = null;
  function pick(seq, isToBeSeen) {
    picked = at.has(seq) ? seq : null;
    if (picked !== null && isHidden(entries[at.get(picked)])) unfolded.add(entries[at.get(picked)].like);
    layOut();
    if (picked === null) return;
    const row = entries[at.get(picked)].row;
    row.style.scrollMarginTop = place.lanes.offsetHeight + 8 + 'px';
    row.focus({preventScroll: true});
    if (isToBeSeen) row.scrollIntoView({block: row.offsetHeight > innerHeight - 80 ? 'start' : 'center'});
  }

  // The chart keeps its height while it is redrawn, so that the page does not jump.
  function layOut() {
    const chart = place.chart;
    chart.replaceChildren();
    place.lanes.replaceChildren();
    measure();
    place.timeline.style.minWidth = graph.words + 200 + 'px';
    putHeads();
    const height = putRows(chart);
    chart.style.height = height + 'px';
    const svg = draw(chart, 'svg', {width: graph.words, height});
    drawLanes(svg, height);
    drawStays(svg, height);
    drawSpans(svg, height);
    drawEntries(svg);
  }

  function step(by) {
    let index = picked === null ? (by > 0 ? 0 : entries.length - 1) : at.get(picked) + by;
    while (entries[index] && isHidden(entries[index])) index += by;
    if (entries[index]) pick(entries[index].seq, true);
  }

  showHeader();
  return {story, hosts, has: (seq) => at.has(seq), pick, step, layOut};
}

// The stories, each with its own chart. Keys move through the one that was last touched.
const places = document.getElementById('stories');
const told = stories.map((story) => {
  const section = put(places, 'section', {class: 'story'});
  const head = report ? put(section, 'div', {class: 'head'}) : document.getElementById('head');
  const place = {section, title: report ? put(head, 'h2') : document.getElementById('title')};
  place.about = put(head, 'div', {class: 'about'});
  place.findings = put(head, 'div', {class: 'findings'});
  place.timeline = put(section, 'main', {class: 'timeline'});
  place.lanes = put(place.timeline, 'div', {class: 'lanes'});
  place.chart = put(place.timeline, 'div', {class: 'chart'});
  const one = tell(story, place);
  section.addEventListener('focusin', () => { current = one; });
  return one;
});
let current = told[0];
function layOutAll() {
  document.body.classList.toggle('narrow', innerWidth < 760);
  for (const one of told) one.layOut();
}
/// Shows a record in the first story that has it; false if none has.
function find(seq) {
  const one = told.find((each) => each.has(seq));
  if (!one) return false;
  current = one;
  one.pick(seq, true);
  return true;
}

// The report of an incident: what stands above the stories.
function showReport() {
  const root = document.getElementById('report');
  const title = report.incident ? 'The incident of record ' + report.incident.seq : 'No incident';
  document.getElementById('title').textContent = title;
  put(root, 'p', {}, report.log + ': ' + report.records + ' records' +
      (report.begin ? ', ' + report.begin.slice(0, 19).replace('T', ' ') + ' to ' + report.end.slice(0, 19).replace('T', ' ') : '') +
      '. Times are UTC.' + (report.first > 1 ? ' It begins with the checkpoint before record ' + report.first + '.' : '') +
      (report.torn_at ? ' Records from ' + report.torn_at + ' on are torn.' : ''));
  if (report.broken) put(root, 'p', {class: 'broken'}, brokenInWords(report.broken));
  const link = (parent, seq) => {
    if (!told.some((each) => each.has(seq))) return put(parent, 'span', {}, String(seq));
    const element = put(parent, 'a', {href: '#record-' + seq}, String(seq));
    element.addEventListener('click', (event) => { event.preventDefault(); find(seq); });
    return element;
  };
  const part = (name, rows, fill) => {
    if (!rows.length) return;
    put(root, 'h2', {}, name);
    const list = put(root, 'div', {class: 'part'});
    for (const row of rows) fill(put(list, 'div', {class: 'item'}), row);
  };
  const ending = (item, end) => {
    item.append(end.what);
    if (end.seq) item.append(' (record ');
    if (end.seq) link(item, end.seq);
    if (end.seq) item.append(')');
    if (end.let_go) item.append('; let go by record ' + end.let_go);
    for (const decided of end.decided) put(item, 'div', {class: 'decided'}, decided);
  };
  if (report.incident) {
    const card = put(root, 'div', {class: 'finding cause'});
    const head = put(card, 'p');
    put(head, 'b', {}, '\u25c6 the cause, record ' + report.incident.seq);
    head.append(report.incident.what);
    for (const decided of report.incident.decided) put(card, 'p', {class: 'decided'}, decided);
  }
  part('What ended badly', report.ended, ending);
  part('How it came about', report.trace, (item, record) => {
    const isCause = report.incident && record.seq === report.incident.seq;
    item.classList.toggle('caused', Boolean(isCause));
    put(item, 'span', {class: 'when'}, record.time.slice(0, 19).replace('T', ' '));
    put(item, 'span', {class: 'mark'}, isCause ? '\u25c6 ' : '');
    link(item, record.seq);
    put(item, 'b', {}, ' ' + record.actor + ' ');
    item.append(record.says);
    if (record.outcome !== 'accepted') put(item, 'span', {class: 'code'}, record.outcome);
    for (const decided of record.decided) put(item, 'div', {class: 'decided'}, decided);
  });
  const defences = report.incident ? [...report.defences] : [];
  if (report.untried.length) defences.push({untried: report.untried.length});
  part('What would have prevented it', defences, (item, defence) => {
    if (defence.untried) return item.append('not tried: ' + defence.untried + " more; 'pawl replay --each-defence' tries each");
    put(item, 'b', {class: defence.verdict}, defence.verdict.replaceAll('_', ' '));
    item.append(' ' + defence.change + (defence.undoes ? ' (undoes record ' + defence.undoes + ')' : '') + ': ' + defence.why);
  });
  if (report.incident && !defences.length) part('What would have prevented it', ['No setting that the log changed.'], (item, text) => item.append(text));
  part('Ended badly, without an incident', report.by_itself, (item, end) => {
    ending(item, end);
    put(item, 'div', {class: 'decided'}, (end.cause ? 'by record ' + end.cause : 'by itself') + ': ' + end.by_itself);
  });
  part('Other incidents', report.others, (item, other) => item.append('record ' + other.seq + ': ' + other.what));
  part('Not ended at the end of the log', report.open, (item, text) => item.append(text));
  part('What is not known', report.unknown, (item, text) => item.append(text));
}

function showLegend() {
  const legend = document.getElementById('legend');
  const item = (text, fill) => {
    const part = put(legend, 'span');
    fill(draw(part, 'svg', {width: 24, height: 16}));
    part.append(text);
  };
  item('granted', (svg) => draw(svg, 'circle', {class: 'dot', cx: 12, cy: 8, r: 6}));
  item('refused, and what stood in the way', (svg) => {
    draw(svg, 'path', {class: 'cross', d: 'M 2 4 L 10 12 M 2 12 L 10 4'});
    draw(svg, 'path', {class: 'blame', d: 'M 12 8 L 24 8'});
  });
  item('decided with ownership switched off', (svg) => draw(svg, 'circle', {class: 'dot unchecked', cx: 12, cy: 8, r: 6}));
  item('the cause', (svg) => causeMark(svg, 12, 8, 6));
  item('what pawl check points at', (svg) => draw(svg, 'circle', {class: 'ring', cx: 12, cy: 8, r: 6}));
  item('forward', (svg) => arrow(svg, 24, 0, 8, false));
  item('back', (svg) => arrow(svg, 24, 0, 8, true));
  for (const kind of ['lease', 'job', 'step']) {
    item(kind, (svg) => draw(svg, 'rect', {class: kind, x: 9, y: 0, width: 6, height: 16, rx: 3}));
  }
  if (stories.some((story) => story.spans.some((span) => !span.holds))) {
    item('a lease that kept no one out', (svg) => draw(svg, 'rect', {class: 'holds-nothing', x: 9, y: 1, width: 6, height: 14, rx: 3}));
  }
  if (stories.some((story) => story.entries.some((entry) => entry.like !== null))) {
    item('more like the one before', (svg) => { for (const y of [3, 8, 13]) draw(svg, 'circle', {class: 'more', cx: 12, cy: y, r: 1.8}); });
  }
  if (told.length === 1) told[0].hosts.forEach((host, index) => {
    item('on ' + host, (svg) => draw(svg, 'circle', {class: 'dot host' + index % 6, cx: 12, cy: 8, r: 6}));
  });
  item('taken away, failed', (svg) => draw(svg, 'rect', {class: 'ended-badly', x: 9, y: 0, width: 6, height: 16, rx: 3}));
}

document.addEventListener('keydown', (event) => {
  const row = document.activeElement && document.activeElement.classList.contains('row') ? document.activeElement : null;
  if ((event.key === 'Enter' || event.key === ' ') && row) {
    event.preventDefault();
    row.click();
  }
  if (!current) return;
  if (event.key === 'Escape') current.pick(null, false);
  if (event.key === 'j') current.step(1);
  if (event.key === 'k') current.step(-1);
});
let settled = 0;
window.addEventListener('resize', () => {
  clearTimeout(settled);
  settled = setTimeout(layOutAll, 100);
});

if (report) showReport();
document.title = document.getElementById('title').textContent + ' \u00b7 pawl';
showLegend();
layOutAll();
if (/^#record-\d+$/.test(location.hash)) find(Number(location.hash.slice(8)));
