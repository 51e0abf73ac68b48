// The event stream and its sharing, without a server: time and answers are the test's.
import { describe, expect, it } from 'vitest';
import { Fanout, silentMsMax, type FromWorker } from '../../src/live/fanout';
import { EventParser } from '../../src/live/sse';
import { EventStream, type News, type StreamOptions } from '../../src/live/stream';

const event = (seq: number): string => `id: ${seq}\ndata: {"seq":${seq}}\n\n`;

describe('EventParser', () => {
  it('finds the same events wherever the text is cut', () => {
    const text = `: heartbeat\n\n${event(1)}${event(2)}id: 3\n\n${event(4)}`;
    for (let cut = 0; cut <= text.length; cut++) {
      const parser = new EventParser();
      const first = parser.take(text.slice(0, cut));
      const second = parser.take(text.slice(cut));
      expect([...first.records, ...second.records].map(({ seq }) => seq)).toEqual([1, 2, 4]);
      expect(second.last ?? first.last).toBe('4');
    }
  });

  it('keeps an event that has not ended', () => {
    const parser = new EventParser();
    expect(parser.take('id: 1\ndata: {"seq":1}\n').records).toEqual([]);
    expect(parser.take('\n').records).toHaveLength(1);
  });
});

interface Asked {
  after: string | undefined;
  authorization: string | undefined;
}

/// Answers one request after the other; then ends the stream under test.
function answering(answers: (() => Response | Promise<Response>)[], asked: Asked[], stop: () => void): typeof fetch {
  return async (_url, init) => {
    const headers = init?.headers as Record<string, string>;
    asked.push({ after: headers['Last-Event-ID'], authorization: headers['Authorization'] });
    const answer = answers.shift();
    if (!answer) {
      stop();
      throw new TypeError('no more answers');
    }
    return answer();
  };
}

async function run(
  answers: (() => Response | Promise<Response>)[],
  token: string | null = null,
): Promise<{ news: News[]; asked: Asked[]; pauses: number[] }> {
  const news: News[] = [];
  const asked: Asked[] = [];
  const pauses: number[] = [];
  const stream: EventStream = new EventStream({
    base: 'http://pawl/',
    token,
    after: 5,
    tell: (each) => news.push(each),
    fetch: answering(answers, asked, () => stream.stop()),
    pause: async (ms) => void pauses.push(ms),
  });
  await stream.run();
  return { news, asked, pauses };
}

const refused =
  (status: number, error: object): (() => Response) =>
  () =>
    new Response(JSON.stringify({ error }), { status });

describe('EventStream', () => {
  it('goes on after the last record that came, with the token in a header', async () => {
    const { news, asked } = await run(
      [() => new Response(event(6) + event(7)), () => new Response(event(8))],
      'secret',
    );
    expect(asked.map(({ after }) => after)).toEqual(['5', '7', '8']);
    expect(asked.every(({ authorization }) => authorization === 'Bearer secret')).toBe(true);
    const seqs = news.flatMap((each) => (each.kind === 'records' ? each.records.map(({ seq }) => seq) : []));
    expect(seqs).toEqual([6, 7, 8]);
    expect(news.map(({ kind }) => kind)).toEqual(['open', 'records', 'lost', 'open', 'records', 'lost']);
  });

  it('waits longer each time nothing comes, and short again after a record', async () => {
    const down = (): Response => {
      throw new TypeError('refused');
    };
    const { pauses } = await run([down, down, down, () => new Response(event(6)), down]);
    expect(pauses).toEqual([500, 1000, 2000, 500, 1000]);
  });

  it('asks again while pawld starts or is full', async () => {
    const { news, asked } = await run([
      refused(503, { code: 'starting', message: 'starting' }),
      refused(429, { code: 'too_many_streams', message: 'full' }),
    ]);
    expect(asked).toHaveLength(3);
    expect(news).toEqual([
      { kind: 'lost', words: 'starting' },
      { kind: 'lost', words: 'full' },
    ]);
  });

  it('ends when the log no longer has what was seen', async () => {
    const { news, asked } = await run([refused(410, { code: 'gone', message: 'gone', next: 12 })]);
    expect(asked).toHaveLength(1);
    expect(news).toEqual([{ kind: 'gone', next: 12 }]);
  });

  it('ends when the token is no longer good', async () => {
    const { news } = await run([refused(401, { code: 'unauthorized', message: 'a token is required' })]);
    expect(news).toEqual([{ kind: 'ended', status: 401, words: 'a token is required' }]);
  });
});

class Started extends EventStream {
  isStopped = false;
  constructor(readonly options_: StreamOptions) {
    super(options_);
  }
  override stop(): void {
    this.isStopped = true;
  }
}

function fanout(): { fan: Fanout; started: Started[]; clock: { now: number } } {
  const started: Started[] = [];
  const clock = { now: 0 };
  const fan = new Fanout(
    () => clock.now,
    (options) => {
      const stream = new Started(options);
      started.push(stream);
      return stream;
    },
  );
  return { fan, started, clock };
}

function tab(): { post: (message: FromWorker) => void; got: FromWorker[] } {
  const got: FromWorker[] = [];
  return { got, post: (message) => void got.push(message) };
}

const joining = (
  token: string | null,
  after = 5,
): { kind: 'follow'; base: string; token: string | null; after: number } => ({
  kind: 'follow',
  base: 'http://pawl/',
  token,
  after,
});

describe('Fanout', () => {
  it('has one stream for the tabs of one token', () => {
    const { fan, started } = fanout();
    const tabs = Array.from({ length: 10 }, tab);
    for (const each of tabs) fan.take(each, joining('a'));
    expect(fan.streams).toBe(1);
    started[0]?.options_.tell({ kind: 'lost', words: 'down' });
    for (const { got } of tabs) expect(got.at(-1)).toEqual({ kind: 'news', news: { kind: 'lost', words: 'down' } });
    fan.take(tab(), joining('b'));
    expect(fan.streams).toBe(2);
  });

  it('tells a tab that joins where the stream is', () => {
    const { fan, started } = fanout();
    fan.take(tab(), joining(null, 5));
    (started[0] as Started).after = 40;
    const late = tab();
    fan.take(late, joining(null, 20));
    expect(late.got[0]).toEqual({ kind: 'joined', at: 40 });
  });

  it('stops with the last tab', () => {
    const { fan, started } = fanout();
    const [one, two] = [tab(), tab()];
    fan.take(one, joining(null));
    fan.take(two, joining(null));
    fan.take(one, { kind: 'leave' });
    expect(started[0]?.isStopped).toBe(false);
    fan.take(two, { kind: 'leave' });
    expect(started[0]?.isStopped).toBe(true);
    expect(fan.streams).toBe(0);
  });

  it('drops a tab that has been silent, and lets it join again', () => {
    const { fan, started, clock } = fanout();
    const [gone, here] = [tab(), tab()];
    fan.take(gone, joining('a'));
    fan.take(here, joining('b'));
    clock.now = silentMsMax;
    fan.take(here, { kind: 'beat' });
    clock.now = silentMsMax + 1;
    fan.take(here, { kind: 'beat' });
    expect(started[0]?.isStopped).toBe(true);
    expect(fan.streams).toBe(1);
    fan.take(gone, { kind: 'beat' });
    expect(gone.got.at(-1)).toEqual({ kind: 'rejoin' });
  });

  it('forgets a stream that has ended for good', () => {
    const { fan, started } = fanout();
    const one = tab();
    fan.take(one, joining('a'));
    started[0]?.options_.tell({ kind: 'ended', status: 401, words: 'over' });
    expect(one.got.at(-1)).toEqual({ kind: 'news', news: { kind: 'ended', status: 401, words: 'over' } });
    expect(fan.streams).toBe(0);
    fan.take(one, joining('a'));
    expect(fan.streams).toBe(1);
  });
});
