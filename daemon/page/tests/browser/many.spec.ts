// Much of everything: 5,000 live tasks, a hundred thousand records, 64 MiB of output.
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { Pawld } from './pawld';
import { expect, test } from './watched';

let pawld: Pawld;
test.beforeEach(async () => {
  pawld = new Pawld();
  await pawld.start();
});
test.afterEach(() => pawld.end());

/// Counts changes of the document under an element.
async function countChanges(page: Page): Promise<void> {
  await page.evaluate(() => {
    const counted = window as unknown as { changes: number };
    counted.changes = 0;
    new MutationObserver((all) => (counted.changes += all.length)).observe(
      document.querySelector('.board') as Element,
      { childList: true, subtree: true, characterData: true, attributes: true },
    );
  });
}
const changes = (page: Page): Promise<number> =>
  page.evaluate(() => (window as unknown as { changes: number }).changes);

test('5,000 tasks: few cards are drawn, and a record costs the same as with few tasks', async ({ page }) => {
  await pawld.submitMany(5000, 'MANY');
  await page.goto(pawld.base);
  await expect(page.getByText('5,000 live tasks')).toBeVisible();
  const cards = page.locator('.card');
  expect(await cards.count()).toBeLessThan(60);
  const list = page.locator('.cards.is-long');
  await list.evaluate((element) => (element.scrollTop = element.scrollHeight));
  await expect(page.getByText('MANY-5000', { exact: true })).toBeVisible();
  await list.evaluate((element) => (element.scrollTop = 0));
  await expect(page.getByText('MANY-1', { exact: true })).toBeVisible();
  expect(await cards.count()).toBeLessThan(60);
  // A filter looks at all of them.
  await page.getByLabel('Filter by text').fill('many-4321');
  await expect(page.getByText('1 task shown')).toBeVisible();
  await page.getByLabel('Filter by text').fill('');
  await expect(page.getByText('5,000 live tasks')).toBeVisible();
  // Records about tasks that are not on the screen change nothing on it but the clock and the number of records.
  await page.clock.pauseAt(Date.now() + 60_000);
  await expect(page.locator('.card-age').first()).toHaveText('1 min');
  await expect(page.locator('.card .state .age').first()).toHaveText('1 min');
  await countChanges(page);
  const notes = Array.from({ length: 200 }, (_, at) => ({
    method: 'POST',
    path: `/v1/tasks/${4000 + at}/note`,
    body: { text: 'x' },
  }));
  await pawld.ask('POST', 'v1/batch', { requests: notes });
  const { seq } = await pawld.ask('GET', 'readyz');
  await expect(page.locator('.live-seq')).toHaveText(seq.toLocaleString('en'));
  await page.clock.runFor(3000);
  await pawld.ask('POST', 'v1/batch', { requests: notes.slice(0, 1) });
  await expect(page.locator('.live-seq')).toHaveText((seq + 1).toLocaleString('en'));
  expect(await changes(page)).toBe(0);
  // One about a task that is: its card, once.
  await pawld.ask('POST', 'v1/tasks/2/cancel', { reason: 'x' });
  // The clock goes on only by hand, and the record may come at any time.
  await expect(async () => {
    await page.clock.runFor(1000);
    await expect(page.getByText('4,999 live tasks')).toBeVisible({ timeout: 500 });
  }).toPass();
  expect(await changes(page)).toBeLessThan(20);
});

/// The heap in use, after the browser has collected what it can.
async function heap(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  for (let times = 0; times < 3; times++) await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usedSize;
}

test('heap after 100,000 records is that after 10,000', async ({ page }) => {
  await pawld.submitMany(100, 'HEAP');
  await page.goto(pawld.base);
  await expect(page.getByText('100 live tasks')).toBeVisible();
  const write = async (count: number): Promise<void> => {
    for (let from = 0; from < count; from += 250) {
      const requests = Array.from({ length: 250 }, (_, at) => ({
        method: 'POST',
        path: `/v1/tasks/${1 + ((from + at) % 100)}/note`,
        body: { text: `note ${from + at}` },
      }));
      const { items } = await pawld.ask('POST', 'v1/batch', { requests });
      if (items.some(({ status }: { status: number }) => status !== 200)) throw new Error('a note was refused');
    }
    const { seq } = await pawld.ask('GET', 'readyz');
    await expect(page.locator('.live-seq')).toHaveText(seq.toLocaleString('en'), { timeout: 60_000 });
  };
  await write(10_000);
  const early = await heap(page);
  await write(90_000);
  const late = await heap(page);
  console.log(`heap: ${(early / 1e6).toFixed(2)} MB after 10,000 records, ${(late / 1e6).toFixed(2)} MB after 100,000`);
  // What the browser compiles meanwhile is a few 100 KB; a dozen bytes kept of each record would be more than this.
  expect(late - early).toBeLessThanOrEqual(1e6);
});

test('64 MiB of output are read, scrolled and searched, and the page answers meanwhile', async ({ page }) => {
  await pawld.ask('POST', 'v1/settings', { 'queue.serial_per_repo': false });
  const line = (number: number): string =>
    `\u001b[2m[${number}]\u001b[0m compiling src/module_${number % 97}/file.cc: \u001b[32mok\u001b[0m, some words to fill the line\n`;
  const file = createWriteStream(join(pawld.control, 'print'));
  let bytes = 0;
  let lines = 0;
  while (bytes < 63 << 20) {
    let piece = '';
    for (let at = 0; at < 5000; at++) piece += line(lines++);
    bytes += Buffer.byteLength(piece);
    if (!file.write(piece)) await once(file, 'drain');
  }
  file.end('the very last NEEDLE\n');
  await once(file, 'finish');
  pawld.put('hold-gate');
  const task = await pawld.submit('BIG-1', { stage: 'review' });
  await pawld.until('all of it is printed', async () =>
    (await pawld.ask('GET', `v1/tasks/${task}/logs`)).items.some(
      (run: { what: string; ended_at: string | null }) => run.what === 'agent' && run.ended_at !== null,
    ),
  );
  await page.goto(`${pawld.base}#/task/${task}`);
  await page.evaluate(() => {
    const seen = window as unknown as { longest: number };
    seen.longest = 0;
    let last = performance.now();
    const look = (): void => {
      const now = performance.now();
      seen.longest = Math.max(seen.longest, now - last);
      last = now;
      setTimeout(look, 10);
    };
    look();
  });
  const choice = page.getByLabel('Run', { exact: true });
  await expect(choice).toBeVisible();
  await choice.selectOption(await choice.locator('option').filter({ hasText: 'agent' }).getAttribute('value'));
  await expect(page.locator('.out-tools')).toContainText(`${(lines + 1).toLocaleString('en')} lines`, {
    timeout: 60_000,
  });
  await page.getByLabel('Search the output').fill('needle');
  await expect(page.getByText('1 of 1 lines')).toBeVisible({ timeout: 60_000 });
  await expect(page.locator('.is-found')).toContainText('the very last NEEDLE');
  expect(await page.locator('.out-line').count()).toBeLessThan(80);
  const longest = await page.evaluate(() => (window as unknown as { longest: number }).longest);
  console.log(`64 MiB, ${lines} lines: the longest time that the page did not answer was ${longest.toFixed(0)} ms`);
  // Generous: two test programs and pawld share the machine.
  expect(longest).toBeLessThan(2000);
});
