// The keyboard alone: from the address bar to an act and back.
import { Pawld } from './pawld';
import { expect, test } from './watched';

let pawld: Pawld;
test.beforeAll(async () => {
  pawld = new Pawld();
  await pawld.start();
  for (const stage of ['development', 'staging']) {
    for (let at = 1; at <= 3; at++) await pawld.submit(`${stage.toUpperCase()}-${at}`, { stage });
  }
});
test.afterAll(() => pawld.end());

const focused = (page: import('@playwright/test').Page): Promise<string> =>
  page.evaluate(() => document.activeElement?.textContent ?? '');

test('skip link, filter, cards, a task, an act, and back', async ({ page }) => {
  await page.goto(pawld.base);
  await expect(page.locator('.card')).toHaveCount(6);
  await page.keyboard.press('Tab');
  expect(await focused(page)).toBe('To the content');
  await page.keyboard.press('Enter');
  await page.keyboard.press('/');
  await page.keyboard.type('ment-');
  await expect(page.locator('.card')).toHaveCount(3);
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Delete');
  await expect(page.locator('.card')).toHaveCount(6);
  for (let tabs = 0; tabs < 8 && !(await focused(page)).includes('DEVELOPMENT-1'); tabs++)
    await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowDown');
  expect(await focused(page)).toContain('DEVELOPMENT-2');
  await page.keyboard.press('ArrowRight');
  expect(await focused(page)).toContain('STAGING-1');
  await page.keyboard.press('ArrowLeft');
  expect(await focused(page)).toContain('DEVELOPMENT-1');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'DEVELOPMENT-1' })).toBeVisible();
  await page.getByRole('button', { name: 'Add note' }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toBeVisible();
  // The focus stays within the dialog.
  for (let tabs = 0; tabs < 12; tabs++) {
    await page.keyboard.press('Tab');
    const isWithin = await page.evaluate(
      () =>
        document.activeElement === document.body || document.querySelector('dialog')?.contains(document.activeElement),
    );
    expect(isWithin).toBe(true);
  }
  await page.getByRole('dialog').getByRole('textbox').focus();
  await page.keyboard.type('by keys');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page.locator('.lines')).toContainText('notes: by keys');
  expect(await focused(page)).toBe('Add note');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog').getByRole('textbox')).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  expect(await focused(page)).toBe('Add note');
});

test('each view has its keys, and ? lists them', async ({ page }) => {
  await page.goto(pawld.base);
  await expect(page.locator('.card')).toHaveCount(6);
  for (const [key, heading] of [
    ['q', 'Queue'],
    ['l', 'Leases'],
    ['w', 'Workers'],
    ['s', 'Settings'],
    ['k', 'Stuck'],
    ['i', 'Incidents'],
    ['b', 'Board'],
  ] as const) {
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await expect(page.getByRole('heading', { level: 1 })).toContainText(heading);
  }
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
});

test('what has the focus can be seen', async ({ page }) => {
  await page.goto(pawld.base);
  await expect(page.locator('.card')).toHaveCount(6);
  for (let tabs = 0; tabs < 20; tabs++) {
    await page.keyboard.press('Tab');
    const outline = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return 'none to see';
      const style = getComputedStyle(element);
      return style.outlineStyle === 'none' ? `${element.tagName} ${element.className}` : 'seen';
    });
    expect(['seen', 'none to see']).toContain(outline);
  }
});
