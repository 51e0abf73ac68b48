// Whether a view fits the screen, and all can use it.
import AxeBuilder from '@axe-core/playwright';
import { expect, type Page } from '@playwright/test';

export const sizes = [
  [390, 844],
  [1280, 800],
  [2560, 1440],
] as const;

/// What is clipped, overlaps, or scrolls sideways.
export async function layoutProblems(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const problems: string[] = [];
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > width)
      problems.push(`the page is ${document.documentElement.scrollWidth} px wide on ${width}`);
    const nameOf = (element: Element): string =>
      `${element.tagName.toLowerCase()}.${element.className} '${(element.textContent ?? '').trim().slice(0, 30)}'`;
    const isShown = (element: Element): boolean => {
      const box = element.getBoundingClientRect();
      return box.width > 0 && box.height > 0 && getComputedStyle(element).visibility !== 'hidden';
    };
    // Text that is cut off without an ellipsis, and outside of what scrolls by itself.
    for (const element of document.querySelectorAll(
      'h1, h2, h3, button, .bar a, .method, .tag, .count, dt, dd, td, th, label, .empty-title, .stage-time',
    )) {
      if (!isShown(element) || element.closest('.unseen, .out, .skip, .lane-line')) continue;
      const box = element.getBoundingClientRect();
      if (element.closest('thead') && getComputedStyle(element.closest('thead') as Element).position === 'absolute')
        continue;
      if (box.left < -1 || box.right > width + 1)
        problems.push(`${nameOf(element)} reaches from ${Math.round(box.left)} to ${Math.round(box.right)}`);
      const style = getComputedStyle(element);
      if (
        element.scrollWidth > element.clientWidth + 1 &&
        style.display !== 'inline' &&
        style.textOverflow !== 'ellipsis' &&
        element.clientWidth > 0
      ) {
        problems.push(`${nameOf(element)} needs ${element.scrollWidth} px of ${element.clientWidth}`);
      }
    }
    // What can be pressed must not lie on anything else that can. Under a dialog nothing can be.
    const within: ParentNode = document.querySelector('dialog') ?? document;
    const controls = [...within.querySelectorAll('button, a, select, input')].filter(
      (each) => isShown(each) && !each.closest('.lane-line, .skip, .cards, .lines'),
    );
    for (let one = 0; one < controls.length; one++) {
      for (let two = one + 1; two < controls.length; two++) {
        const [a, b] = [controls[one] as Element, controls[two] as Element];
        if (a.contains(b) || b.contains(a) || a.closest('.bar') !== b.closest('.bar')) continue;
        const [p, q] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
        const overlap =
          Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 &&
          Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 1;
        if (overlap) problems.push(`${nameOf(a)} and ${nameOf(b)} overlap`);
      }
    }
    return problems;
  });
}

/// A mark on the time axis is as small as its time is short; its line in the history leads to the same.
const isOnTimeAxis = (id: string, html: string): boolean => id === 'target-size' && /^<button[^>]* class="(bar|mark) /.test(html);

/// What axe finds; in the dark only colours differ.
export async function violations(page: Page, isDark: boolean): Promise<string[]> {
  const axe = new AxeBuilder({ page });
  if (isDark) axe.withRules(['color-contrast']);
  else axe.withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']);
  const { violations: all } = await axe.analyze();
  return all.flatMap(({ id, nodes }) =>
    nodes
      .filter(({ html }) => !isOnTimeAxis(id, html))
      .map(({ target, failureSummary }) => `${id}: ${target.join(' ')} ${failureSummary ?? ''}`),
  );
}

/// What is on the page now, at every size and in both schemes.
export async function expectGoodLooks(page: Page, what: string): Promise<void> {
  for (const [width, height] of sizes) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const where = `${what} at ${width} px in ${colorScheme}`;
      expect(await layoutProblems(page), where).toEqual([]);
      // On a wall display axe finds what it finds at a desk.
      if (width !== 2560 && (width === 1280 || colorScheme === 'light'))
        expect(await violations(page, colorScheme === 'dark'), where).toEqual([]);
    }
  }
}
