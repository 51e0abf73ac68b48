// Every view, compared with its kept picture: what nobody meant to change shows. The data is always the same: a story in
// a fixed order, without commands that the daemon runs, and in the answers the times, and what is of this machine, are
// replaced. After a change that was meant: daemon/page/run browser pictures --update-snapshots, and look at each.
import type { Page } from '@playwright/test';
import { Pawld } from './pawld';
import { expect, test, watch } from './watched';

test.describe.configure({ mode: 'parallel' });

const began = Date.parse('2026-03-01T12:00:00Z');
const apartMs = 20_000; // from record to record
const now = began + 3_600_000;

let pawld: Pawld;
/// When each record was written, as pawld writes it: to the microsecond, so two of them are never the same.
const times: string[] = [];
let task = 0;
let boot = '';

test.beforeAll(async () => {
  pawld = new Pawld();
  await pawld.start();
  ({ task, boot } = await story());
  const text = await (await fetch(`${pawld.base}v1/events?after=0&limit=10000`)).text();
  for (const line of text.trim().split('\n')) times.push((JSON.parse(line) as { time: string }).time);
});
test.afterAll(() => pawld.end());

/// One thing after the other. Agents are a worker's, and no gate or step of the daemon is reached.
async function story(): Promise<{ task: number; boot: string }> {
  await pawld.ask('POST', 'v1/settings', { 'queue.max_concurrency': 4, 'queue.serial_per_repo': false });
  await pawld.ask('POST', 'v1/settings', { 'reconciler.enabled': false, 'reaper.enabled': false });
  const worker = await pawld.worker('worker-7');
  const other = await pawld.worker('worker-9');
  const failing = await pawld.submit('SHOP-101');
  await pawld.claim(worker);
  await pawld.ask(
    'POST',
    'v1/jobs/1/finished',
    { attempt: 1, result: 'failed' },
    { 'Pawl-Boot': worker, 'Pawl-Actor': 'worker' },
  );
  await pawld.ask('POST', `v1/tasks/${failing}/note`, { text: 'the rounding again' }, { 'Pawl-Actor': 'ada' });
  const contested = await pawld.submit('SHOP-102', { stage: 'staging' });
  await pawld.lease(`task:${contested}`, worker, { edge: 'staging->deploy', ttl_s: 86_400 });
  await pawld.lease(`task:${contested}`, other, { edge: 'staging->deploy' });
  await pawld.lease('repo:depot', other, { ttl_s: 86_400 });
  await pawld.submit('SHOP-103');
  await pawld.claim(other);
  for (let at = 0; at < 9; at++) await pawld.submit(`SHOP-${201 + at}`, at % 3 === 0 ? { repo: 'depot' } : {});
  await pawld.submit('OPS-31', { stage: 'staging', repo: 'depot', depends_on: [failing] });
  await pawld.ask('POST', 'v1/holds', { place: 'repo:depot', reason: 'stocktaking' }, { 'Pawl-Actor': 'ada' });
  const until = '2099-01-01T00:00:00Z';
  await pawld.ask('POST', 'v1/holds', { place: 'agent:tester', until, reason: 'it is being replaced' });
  const { boot: own } = await pawld.ask('GET', 'readyz');
  return { task: contested, boot: own };
}

/// A time of this machine as one of the story: so long after its begin as there were records before.
function storyTime(time: string): string {
  if (time > '2090') return time; // one that the story itself names
  const before = times.findIndex((each) => each > time);
  return new Date(began + (before === -1 ? times.length : before) * apartMs).toISOString();
}

/// An answer without what is of this machine and moment.
function retold(text: string): string {
  return text
    .replace(/"(20\d\d-\d\d-\d\dT[\d:.]+Z)"/g, (_, time: string) => `"${storyTime(time)}"`)
    .replaceAll(boot, 'b0071e5')
    .replace(/\b\d+ ms\b/g, '20 ms')
    .replace(/"version":"[^"]*"/g, '"version":"1.0.0"')
    .replace(/"host":"[^"]*"/g, '"host":"builder-7 x 1"')
    .replace(/"pid":\d+/g, '"pid":4711')
    .replace(/"last_run_age_s":\d+/g, '"last_run_age_s":3');
}

async function retell(page: Page): Promise<void> {
  await page.clock.setFixedTime(now);
  await page.route(/\/(v1\/|queue|readyz)/, async (route) => {
    if (route.request().headers()['accept'] === 'text/event-stream') return route.continue();
    const response = await route.fetch();
    await route.fulfill({ response, body: retold(await response.text()) });
  });
}

const views: [name: string, hash: () => string, ready: (page: Page) => Promise<unknown>][] = [
  ['board', () => '#/board', (page) => expect(page.locator('.card')).toHaveCount(13)],
  ['queue', () => '#/queue', (page) => expect(page.getByRole('table', { name: 'Queued jobs' })).toBeVisible()],
  ['holds', () => '#/holds', (page) => expect(page.getByText('stocktaking')).toBeVisible()],
  ['leases', () => '#/leases', (page) => expect(page.getByText('repo:depot')).toBeVisible()],
  ['workers', () => '#/workers', (page) => expect(page.getByText('worker-9').first()).toBeVisible()],
  ['stuck', () => '#/stuck?all=shown', (page) => expect(page.getByText('pawl retry')).toBeVisible()],
  ['task', () => `#/task/${task}`, (page) => expect(page.getByText('refused: the lease is held')).toBeVisible()],
  ['compare', () => `#/compare/12@${times.length}`, (page) => expect(page.getByText('differences')).toBeVisible()],
  [
    'hold',
    () => '#/holds',
    async (page) => {
      await page.getByRole('button', { name: 'Hold a place…' }).click();
      await expect(page.getByRole('dialog')).toBeVisible();
    },
  ],
];

/// Of a wall display, those that are looked at there.
const ofWalls = ['board', 'task'];

for (const [width, height] of [
  [390, 844],
  [1280, 800],
  [2560, 1440],
] as const) {
  for (const colorScheme of width === 2560 ? (['light'] as const) : (['light', 'dark'] as const)) {
    test(`views are as in their pictures, ${width} px, ${colorScheme}`, async ({ browser }) => {
      const context = await browser.newContext({
        viewport: { width, height },
        colorScheme,
        reducedMotion: 'reduce',
        timezoneId: 'UTC',
        locale: 'en',
      });
      const page = await context.newPage();
      const problems = watch(page);
      await retell(page);
      for (const [name, hash, ready] of views) {
        if (width === 2560 && !ofWalls.includes(name)) continue;
        await page.goto('about:blank');
        await page.goto(pawld.base + hash());
        await ready(page);
        await expect.soft(page).toHaveScreenshot(`${name}-${width}-${colorScheme}.png`, {
          mask: [page.locator('.live')],
          maxDiffPixelRatio: 0.001,
        });
      }
      expect(problems).toEqual([]);
      await page.unrouteAll({ behavior: 'ignoreErrors' });
      await context.close();
    });
  }
}
