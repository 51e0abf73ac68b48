// Every view at every size, in both schemes: it fits the screen, and all can use it.
import type { Page } from '@playwright/test';
import { layoutProblems, sizes, violations } from './looks';
import { busyPawld } from './pawld';
import { expect, test, watch } from './watched';

test.describe.configure({ mode: 'parallel' });

const board = busyPawld();

const views = (): [name: string, hash: string, ready: (page: Page) => Promise<void>][] => [
  [
    'board',
    '#/board?ended=shown',
    async (page) => expect(page.getByRole('link', { name: 'SHOP-101', exact: true })).toBeVisible(),
  ],
  [
    'queue',
    '#/queue',
    async (page) =>
      expect(page.getByRole('table', { name: 'Running jobs' }).getByRole('link', { name: 'SHOP-105' })).toBeVisible(),
  ],
  ['leases', '#/leases', async (page) => expect(page.getByText('repo:depot')).toBeVisible()],
  ['workers', '#/workers', async (page) => expect(page.getByText('worker-7')).toBeVisible()],
  ['settings', '#/settings', async (page) => expect(page.getByText('queue.max_concurrency')).toBeVisible()],
  ['stuck', '#/stuck', async (page) => expect(page.getByText('pawl retry')).toBeVisible()],
  ['task', `#/task/${board.ids.blocked}`, async (page) => expect(page.getByRole('log')).toContainText('FAIL')],
  [
    'contested task',
    `#/task/${board.ids.contested}`,
    async (page) => expect(page.getByText('refused: the lease is held')).toBeVisible(),
  ],
];

for (const [width, height] of sizes) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`every view fits ${width} px in ${colorScheme}, and has no violation of accessibility`, async ({
      browser,
    }) => {
      const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce' });
      const page = await context.newPage();
      const problems = watch(page);
      for (const [name, hash, ready] of views()) {
        await page.goto(`${board.pawld.base}${hash}`);
        await ready(page);
        expect(await layoutProblems(page), name).toEqual([]);
        // On a wall display axe finds what it finds at a desk, and in the dark only colours differ.
        if (width === 2560 || (width === 390 && colorScheme === 'dark')) continue;
        expect(await violations(page, colorScheme === 'dark'), name).toEqual([]);
      }
      expect(problems).toEqual([]);
      await context.close();
    });
  }
}
