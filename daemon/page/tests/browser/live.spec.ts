// The page while things happen: records, a restart of the daemon, a slow network, many tabs, output that grows.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { Pawld } from './pawld';
import { expect, test, watch } from './watched';

let pawld: Pawld;
test.beforeEach(async () => {
  pawld = new Pawld();
  await pawld.start();
  await pawld.ask('POST', 'v1/settings', { 'queue.max_concurrency': 8, 'queue.serial_per_repo': false });
});
test.afterEach(() => pawld.end());

test('cards come, move and go as the log says', async ({ page }) => {
  await page.goto(pawld.base);
  await expect(page.getByText('No live tasks')).toBeVisible();
  const task = await pawld.submit('LIVE-1');
  await expect(page.getByRole('region', { name: 'development: 1' }).getByText('LIVE-1', { exact: true })).toBeVisible();
  const worker = await pawld.worker('w');
  const job = await pawld.claim(worker);
  await expect(page.locator('.card')).toContainText('agent coder');
  await pawld.lease(`task:${task}`, worker);
  await expect(page.locator('.card')).toContainText('held by deployer');
  await pawld.ask('POST', `v1/tasks/${task}/cancel`, { reason: 'no' });
  await expect(page.locator('.card')).toContainText('cancel requested');
  await pawld.ask('POST', `v1/jobs/${job.id}/finished`, { attempt: 1, result: 'cancelled' }, { 'Pawl-Boot': worker });
  await pawld.ask(
    'DELETE',
    `v1/leases?key=task:${task}&token=${(await pawld.ask('GET', 'v1/leases')).items[0].token}`,
    undefined,
    { 'Pawl-Boot': worker },
  );
  await expect(page.locator('.card')).toHaveCount(0);
});

test('restart of the daemon in mid-view loses nothing', async ({ page }) => {
  await pawld.submit('BEFORE-1');
  await page.goto(pawld.base);
  await expect(page.getByText('BEFORE-1', { exact: true })).toBeVisible();
  await pawld.stop();
  await expect(page.getByText(/Not connected/)).toBeVisible();
  await expect(page.getByText('BEFORE-1', { exact: true })).toBeVisible();
  await pawld.start();
  // While the page waits to try again.
  for (let at = 1; at <= 5; at++) await pawld.submit(`AFTER-${at}`);
  await expect(page.getByText('AFTER-5', { exact: true })).toBeVisible();
  await expect(page.locator('.card')).toHaveCount(6);
  await expect(page.getByText(/Not connected/)).toHaveCount(0);
  const { seq } = await pawld.ask('GET', 'readyz');
  await expect(page.locator('.live-seq')).toHaveText(String(seq));
});

test('page that is opened while the daemon is away goes on when it is back', async ({ page }) => {
  await pawld.submit('BACK-1');
  await page.goto(pawld.base);
  await expect(page.getByText('BACK-1', { exact: true })).toBeVisible();
  await pawld.stop();
  await page.goto(`${pawld.base}#/queue`);
  await expect(page.getByRole('alert').first()).toContainText('pawld cannot be reached');
  await pawld.start();
  await page.goto(`${pawld.base}#/board`);
  await expect(page.getByText('BACK-1', { exact: true })).toBeVisible();
});

test('ten tabs are live over one stream, and each may still ask', async ({ context }) => {
  const pages = [];
  for (let at = 0; at < 10; at++) {
    const page = await context.newPage();
    const problems = watch(page);
    await page.goto(pawld.base);
    await expect(page.getByText('live', { exact: true })).toBeVisible();
    pages.push({ page, problems });
  }
  expect((await pawld.ask('GET', 'queue')).shares.held.streams).toBe(1);
  await pawld.submit('TABS-1');
  for (const { page, problems } of pages) {
    await expect(page.getByText('TABS-1', { exact: true })).toBeVisible();
    expect(problems).toEqual([]);
  }
  // The one that joined first leaves; the others stay live.
  await pages[0]?.page.close();
  await pawld.submit('TABS-2');
  for (const { page } of pages.slice(1)) await expect(page.getByText('TABS-2', { exact: true })).toBeVisible();
  for (const { page } of pages.slice(1)) await page.close();
  await pawld.until('the stream has ended', async () => (await pawld.ask('GET', 'queue')).shares.held.streams === 0);
});

test('slow network shows what is being read, then all of it', async ({ page }) => {
  await pawld.submit('SLOW-1');
  let release: () => void = () => {};
  const held = new Promise<void>((done) => (release = done));
  await page.route('**/v1/tasks?*', async (route) => {
    await held;
    await route.continue();
  });
  await page.goto(pawld.base);
  await expect(page.getByText('reading', { exact: true })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Queue' })).toBeVisible();
  release();
  await expect(page.getByText('SLOW-1', { exact: true })).toBeVisible();
  await expect(page.getByText('live', { exact: true })).toBeVisible();
});

test('answer that fails is said, and asked for again', async ({ page }) => {
  let fails = true;
  await page.route('**/v1/settings', (route) =>
    fails
      ? route.fulfill({ status: 500, json: { error: { code: 'io', message: 'the log cannot be read at record 7' } } })
      : route.continue(),
  );
  await page.goto(`${pawld.base}#/settings`);
  await expect(page.getByRole('alert')).toContainText('the log cannot be read at record 7');
  fails = false;
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByText('queue.max_concurrency')).toBeVisible();
});

test('output is followed while it grows, with its colours, and can be searched', async ({ page }) => {
  pawld.put('hold-agent');
  pawld.put('print', '\u001b[31mred\u001b[0m first line\n');
  const task = await pawld.submit('OUT-1', { stage: 'review' });
  await page.goto(`${pawld.base}#/task/${task}`);
  const output = page.getByRole('log');
  await expect(output).toContainText('red first line');
  await expect(output.locator('.c1')).toHaveText('red');
  await expect(page.locator('.out-tools')).toContainText('running');
  // pawld reads the file that it writes: more of it is more output.
  const job = (await pawld.ask('GET', 'v1/jobs?status=running')).items[0];
  appendFileSync(
    join(pawld.folder, 'data/logs', `job-${job.id}-1.log`),
    Array.from({ length: 500 }, (_, at) => `line ${at}${at === 321 ? ' NEEDLE' : ''}\n`).join(''),
  );
  await expect(output).toContainText('line 499');
  await page.getByLabel('Search the output').fill('needle');
  await expect(page.getByText('1 of 1 lines')).toBeVisible();
  await expect(output.locator('.is-found')).toContainText('line 321 NEEDLE');
  await expect(page.getByLabel('Follow')).not.toBeChecked();
  await page.getByLabel('Search the output').fill('not there');
  await expect(page.getByText('not found')).toBeVisible();
  pawld.take('hold-agent');
  await pawld.until('the agent has ended', async () => (await pawld.task(task)).stage !== 'review');
});
