// What open tabs cost pawld: its processor time and memory at 100 records per second and 5,000 live tasks. The figures
// are for docs/PERFORMANCE.md; that each tab and each stream has seen all records is the test.
import { readFileSync } from 'node:fs';
import type { BrowserContext, Page } from '@playwright/test';
import { Pawld } from './pawld';
import { expect, test } from './watched';

const tasks = 5000;
const recordsPerS = 100;
const batchMs = 100;
const measuredS = Number(process.env['PAWL_TABS_SECONDS'] ?? 20);
const ticksPerS = 100; // USER_HZ, which the kernel does not change

test.describe.configure({ mode: 'serial' });
// A tab that is behind others draws nothing, but the browser starts it all the same.
test.setTimeout(1_800_000);

let pawld: Pawld;
test.beforeAll(async () => {
  pawld = new Pawld();
  await pawld.start();
  await pawld.submitMany(tasks, 'TABS');
});
test.afterAll(() => pawld.end());

/// The processor time that pawld has used, in seconds.
function cpuS(): number {
  const fields = readFileSync(`/proc/${pawld.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerS; // utime and stime
}

function memoryMiB(): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pawld.pid}/status`, 'utf8'))?.[1]) / 1024;
}

/// Writes notes at the given rate until it is stopped. Where the tabs keep the processors from it, it catches up.
class Writer {
  written = 0;
  private timer: ReturnType<typeof setInterval> | null = null;
  private readonly sent: Promise<unknown>[] = [];

  start(): void {
    const began = Date.now();
    this.timer = setInterval(() => {
      const due = Math.min(256, Math.floor(((Date.now() - began) / 1000) * recordsPerS) - this.written);
      const requests = Array.from({ length: due }, () => ({
        method: 'POST',
        path: `/v1/tasks/${1 + (this.written++ % tasks)}/note`,
        body: { text: 'a word' },
      }));
      if (due > 0) this.sent.push(pawld.ask('POST', 'v1/batch', { requests }));
    }, batchMs);
  }

  async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    await Promise.all(this.sent);
  }
}

/// Measures while records are written. Returns the last one's seq.
async function measure(what: string): Promise<number> {
  const writer = new Writer();
  writer.start();
  await new Promise((done) => setTimeout(done, 2000));
  const [cpu, written, began] = [cpuS(), writer.written, Date.now()];
  await new Promise((done) => setTimeout(done, measuredS * 1000));
  const tookS = (Date.now() - began) / 1000;
  const percent = ((cpuS() - cpu) / tookS) * 100;
  const rate = (writer.written - written) / tookS;
  const memory = memoryMiB();
  await writer.stop();
  console.log(`${what}: ${percent.toFixed(1)} % of a core, ${memory.toFixed(0)} MiB, ${rate.toFixed(0)} records/s`);
  return (await pawld.ask('GET', 'readyz')).seq;
}

/// One tab of a browser is seen; those behind it know that they are not.
async function openTabs(context: BrowserContext, count: number): Promise<Page[]> {
  const pages = context.pages();
  while (pages.length < count) {
    const page = await context.newPage();
    if (pages.length > 0) {
      await page.addInitScript(() => Object.defineProperty(document, 'hidden', { get: () => true }));
    }
    await page.goto(pawld.base);
    await expect(page.getByText('5,000 live tasks')).toBeVisible();
    pages.push(page);
  }
  return pages;
}

const shownBy = (page: Page, seq: number): Promise<void> =>
  expect(page.locator('.live-seq')).toHaveText(seq.toLocaleString('en'));

test('tabs of one browser', async ({ browser }) => {
  const context = await browser.newContext();
  await measure('no tab');
  for (const count of [1, 10, 100]) {
    const pages = await openTabs(context, count);
    const seq = await measure(count === 1 ? '1 tab' : `${count} tabs of one browser`);
    for (const page of pages) await shownBy(page, seq);
  }
  await context.close();
});

/// Follows the log as a page of another browser does. `seen`: the last record that came.
class Subscriber {
  seen = 0;
  private readonly over = new AbortController();

  async follow(after: number): Promise<void> {
    const response = await fetch(`${pawld.base}v1/events?after=${after}`, {
      headers: { Accept: 'text/event-stream' },
      signal: this.over.signal,
    });
    if (response.status !== 200 || response.body === null) throw new Error(`events: ${response.status}`);
    void this.read(response.body).catch(() => {});
  }

  private async read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    const reader = body.getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      const lines = (rest + decoder.decode(piece.value, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.startsWith('id: ')) this.seen = Number(line.slice(4));
    }
  }

  stop(): void {
    this.over.abort();
  }
}

test('streams of a hundred browsers', async () => {
  const { seq } = await pawld.ask('GET', 'readyz');
  const subscribers = Array.from({ length: 100 }, () => new Subscriber());
  for (const each of subscribers) await each.follow(seq);
  const last = await measure('100 streams');
  await pawld.until('all streams have all records', async () => subscribers.every(({ seen }) => seen === last));
  subscribers.forEach((each) => each.stop());
});
