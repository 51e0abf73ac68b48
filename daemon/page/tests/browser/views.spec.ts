// Every view, with something in every state: what it shows, that it fits the screen, and that all can use it.
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { busy, Pawld } from './pawld';
import { expect, test, watch } from './watched';

let pawld: Pawld;
let ids: Awaited<ReturnType<typeof busy>>;

test.beforeAll(async () => {
  pawld = new Pawld();
  await pawld.start();
  ids = await busy(pawld);
});
test.afterAll(() => pawld.end());

const views = (): [name: string, hash: string, ready: (page: Page) => Promise<void>][] => [
  ['board', '#/board?ended=shown', async (page) => expect(page.getByRole('link', { name: 'SHOP-101', exact: true })).toBeVisible()],
  ['queue', '#/queue', async (page) => expect(page.getByRole('table', { name: 'Running jobs' }).getByRole('link', { name: 'SHOP-105' })).toBeVisible()],
  ['leases', '#/leases', async (page) => expect(page.getByText('repo:depot')).toBeVisible()],
  ['workers', '#/workers', async (page) => expect(page.getByText('worker-7')).toBeVisible()],
  ['settings', '#/settings', async (page) => expect(page.getByText('queue.max_concurrency')).toBeVisible()],
  ['stuck', '#/stuck', async (page) => expect(page.getByText('pawl retry')).toBeVisible()],
  ['task', `#/task/${ids.blocked}`, async (page) => expect(page.getByRole('log')).toContainText('FAIL')],
  ['contested task', `#/task/${ids.contested}`, async (page) => expect(page.getByText('refused: the lease is held')).toBeVisible()],
];

test('board has a card for each live task, with what goes on', async ({ page }) => {
  await page.goto(pawld.base);
  const review = page.getByRole('region', { name: 'review: 3' });
  await expect(review.getByRole('link')).toHaveCount(3);
  const blocked = review.getByRole('link').filter({ hasText: 'SHOP-103' });
  await expect(blocked).toContainText('blocked');
  await expect(blocked).toContainText('job_failed');
  await expect(blocked).toContainText('FAIL cart: expected 655, got 650');
  const gate = review.getByRole('link').filter({ hasText: 'SHOP-104' });
  await expect(gate).toContainText('gate');
  await expect(gate).toContainText('of 10 min');
  await expect(gate).toContainText('lease: monitor');
  await expect(page.getByRole('link').filter({ hasText: 'SHOP-107' })).toContainText('held by deployer');
  await expect(page.getByRole('link').filter({ hasText: 'SHOP-102' })).toContainText('rolled back');
  await expect(page.getByRole('region', { name: 'deploy: 0' })).toBeVisible();
  await expect(page.getByText('24 live tasks')).toBeVisible();
});

test('board is filtered by text, repository and pipeline, and the address keeps it', async ({ page }) => {
  await page.goto(pawld.base);
  await page.getByLabel('Filter by text').fill('ops-3');
  await expect(page.getByText('5 tasks shown')).toBeVisible();
  await expect(page.locator('.card')).toHaveCount(5);
  await page.getByLabel('Repository').selectOption('shop');
  await expect(page.getByText('No live task passes these filters')).toBeVisible();
  expect(page.url()).toContain('text=ops-3');
  await page.reload();
  await expect(page.getByText('No live task passes these filters')).toBeVisible();
  await page.getByRole('link', { name: 'Show all tasks' }).click();
  await expect(page.getByText('24 live tasks')).toBeVisible();
  await page.getByLabel('Pipeline', { exact: true }).selectOption('delivery');
  await expect(page.getByText('24 tasks shown')).toBeVisible();
});

test('queue says why a job waits', async ({ page }) => {
  await page.goto(`${pawld.base}#/queue`);
  const queued = page.getByRole('table', { name: 'Queued jobs' });
  await expect(queued.getByRole('row').filter({ hasText: 'OPS-31' })).toContainText('its task waits for another task');
  await expect(page.getByRole('table', { name: 'Blocked tasks' })).toContainText('job_failed');
});

test('workers have their host, what they run, and when they were last heard', async ({ page }) => {
  await page.goto(`${pawld.base}#/workers`);
  const row = page.getByRole('row').filter({ hasText: 'worker-7' });
  await expect(row).toContainText('builder-7');
  await expect(row).toContainText('SHOP-102 coder');
  await expect(row).toContainText(/\d+ (s|min) ago|\d+ s ago/);
});

test('settings say who set them, and when', async ({ page }) => {
  await page.goto(`${pawld.base}#/settings`);
  const row = page.getByRole('row').filter({ hasText: 'queue.max_concurrency' });
  await expect(row).toContainText('6');
  await expect(row).toContainText('ada tcp');
  await expect(row).toContainText(/20\d\d-\d\d-\d\d/);
  await expect(page.getByRole('row').filter({ hasText: 'stop.kill_after_s' })).toContainText('its default');
});

test('task has its stages, lanes and story, and a refused act leads to who won', async ({ page }) => {
  await page.goto(`${pawld.base}#/task/${ids.contested}`);
  await expect(page.getByRole('list', { name: 'Stages' }).locator('[aria-current=step]')).toContainText('staging');
  await expect(page.getByRole('group', { name: 'Acts of latecomer' })).toBeVisible();
  await expect(page.getByRole('button', { name: /^lease task:\d+ for staging → deploy, for/ })).toBeVisible();
  await page.getByRole('button', { name: /deployer tries to take .* it lost to record/ }).click();
  await expect(page.locator('.line.is-chosen')).toContainText('deployer takes the lease');
  await page.getByLabel(/Refused acts/).check();
  await expect(page.locator('.line')).toHaveCount(2);
});

test('task that is done has its whole story', async ({ page }) => {
  await page.goto(`${pawld.base}#/task/${ids.done}`);
  await expect(page.getByRole('button', { name: /step merge, took/ })).toBeVisible();
  await expect(page.getByText(/finalizer moves task 1 to done/)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Cancel task', exact: true })).toHaveCount(0);
  await page.locator('.line summary').first().click();
  await expect(page.locator('.record').first()).toContainText('TaskCreated');
});

test('time axis zooms and moves', async ({ page }) => {
  await page.goto(`${pawld.base}#/task/${ids.done}`);
  const bar = page.getByRole('button', { name: /step merge, took/ });
  const width = async (): Promise<number> => (await bar.boundingBox())?.width ?? 0;
  await expect(bar).toBeVisible();
  const before = await width();
  await page.getByRole('button', { name: 'Zoom in' }).click();
  await page.getByRole('button', { name: 'Later' }).click();
  await expect(page.getByRole('button', { name: 'Zoom out' })).toBeEnabled();
  await page.getByRole('button', { name: 'All', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Zoom out' })).toBeDisabled();
  expect(Math.abs((await width()) - before)).toBeLessThan(2);
});

/// What is clipped, overlaps, or scrolls sideways.
async function layoutProblems(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const problems: string[] = [];
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > width) problems.push(`the page is ${document.documentElement.scrollWidth} px wide on ${width}`);
    const nameOf = (element: Element): string => `${element.tagName.toLowerCase()}.${element.className} '${(element.textContent ?? '').trim().slice(0, 30)}'`;
    const isShown = (element: Element): boolean => {
      const box = element.getBoundingClientRect();
      return box.width > 0 && box.height > 0 && getComputedStyle(element).visibility !== 'hidden';
    };
    // Text that is cut off without an ellipsis, and outside of what scrolls by itself.
    for (const element of document.querySelectorAll('h1, h2, h3, button, .bar a, .tag, .count, dt, dd, td, th, label, .empty-title, .stage-time')) {
      if (!isShown(element) || element.closest('.unseen, .out, .skip, .lane-line')) continue;
      const box = element.getBoundingClientRect();
      if (element.closest('thead') && getComputedStyle(element.closest('thead') as Element).position === 'absolute') continue;
      if (box.left < -1 || box.right > width + 1) problems.push(`${nameOf(element)} reaches from ${Math.round(box.left)} to ${Math.round(box.right)}`);
      const style = getComputedStyle(element);
      if (element.scrollWidth > element.clientWidth + 1 && style.display !== 'inline' && style.textOverflow !== 'ellipsis' && element.clientWidth > 0) {
        problems.push(`${nameOf(element)} needs ${element.scrollWidth} px of ${element.clientWidth}`);
      }
    }
    // What can be pressed must not lie on anything else that can.
    const controls = [...document.querySelectorAll('button, a, select, input')].filter((each) => isShown(each) && !each.closest('.lane-line, .skip, .cards, .lines'));
    for (let one = 0; one < controls.length; one++) {
      for (let two = one + 1; two < controls.length; two++) {
        const [a, b] = [controls[one] as Element, controls[two] as Element];
        if (a.contains(b) || b.contains(a) || a.closest('.bar') !== b.closest('.bar')) continue;
        const [p, q] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
        const overlap = Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 1;
        if (overlap) problems.push(`${nameOf(a)} and ${nameOf(b)} overlap`);
      }
    }
    return problems;
  });
}

for (const [width, height] of [
  [390, 844],
  [1280, 800],
  [2560, 1440],
] as const) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`every view fits ${width} px in ${colorScheme}, and has no violation of accessibility`, async ({ browser }) => {
      const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce' });
      const page = await context.newPage();
      const problems = watch(page);
      for (const [name, hash, ready] of views()) {
        await page.goto(`${pawld.base}${hash}`);
        await ready(page);
        expect(await layoutProblems(page), name).toEqual([]);
        // On a wall display axe finds what it finds at a desk.
        if (width === 2560 || (width === 390 && colorScheme === 'dark')) continue;
        const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
        const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(' ')} ${failureSummary ?? ''}`).join('; ')}`);
        expect(found, name).toEqual([]);
      }
      expect(problems).toEqual([]);
      await context.close();
    });
  }
}
