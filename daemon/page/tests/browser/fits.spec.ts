// Every view at every size, in both schemes: it fits the screen, and all can use it.
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { busyPawld } from './pawld';
import { expect, test, watch } from './watched';

test.describe.configure({ mode: 'parallel' });

const board = busyPawld();

const views = (): [name: string, hash: string, ready: (page: Page) => Promise<void>][] => [
  ['board', '#/board?ended=shown', async (page) => expect(page.getByRole('link', { name: 'SHOP-101', exact: true })).toBeVisible()],
  ['queue', '#/queue', async (page) => expect(page.getByRole('table', { name: 'Running jobs' }).getByRole('link', { name: 'SHOP-105' })).toBeVisible()],
  ['leases', '#/leases', async (page) => expect(page.getByText('repo:depot')).toBeVisible()],
  ['workers', '#/workers', async (page) => expect(page.getByText('worker-7')).toBeVisible()],
  ['settings', '#/settings', async (page) => expect(page.getByText('queue.max_concurrency')).toBeVisible()],
  ['stuck', '#/stuck', async (page) => expect(page.getByText('pawl retry')).toBeVisible()],
  ['task', `#/task/${board.ids.blocked}`, async (page) => expect(page.getByRole('log')).toContainText('FAIL')],
  ['contested task', `#/task/${board.ids.contested}`, async (page) => expect(page.getByText('refused: the lease is held')).toBeVisible()],
];

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

/// A mark on the time axis is as small as its time is short; its line in the history leads to the same.
const isOnTimeAxis = (violation: string): boolean => violation.startsWith('target-size') && violation.includes('.lane-line');

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
        await page.goto(`${board.pawld.base}${hash}`);
        await ready(page);
        expect(await layoutProblems(page), name).toEqual([]);
        // On a wall display axe finds what it finds at a desk, and in the dark only colours differ.
        if (width === 2560 || (width === 390 && colorScheme === 'dark')) continue;
        const axe = new AxeBuilder({ page });
        if (colorScheme === 'dark') axe.withRules(['color-contrast']);
        else axe.withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']);
        const { violations } = await axe.analyze();
        const found = violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')} ${failureSummary ?? ''}`)).filter((each) => !isOnTimeAxis(each));
        expect(found, name).toEqual([]);
      }
      expect(problems).toEqual([]);
      await context.close();
    });
  }
}
