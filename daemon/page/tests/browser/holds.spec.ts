// Held places and freezes: what they hold, who may place and lift them, and how one task is let past.
import type { Locator, Page } from '@playwright/test';
import { expectGoodLooks } from './looks';
import { Pawld } from './pawld';
import { expect, test } from './watched';

const hostile = '<img src=x onerror=alert(1)> \u202egnp.exe';
let pawld: Pawld;
let task = 0;
test.beforeEach(async () => {
  pawld = new Pawld();
  await pawld.start();
  task = await pawld.submit('HOLD-1');
  await pawld.submit('HOLD-2', { stage: 'staging', repo: 'depot' });
});
test.afterEach(() => pawld.end());

const dialog = (page: Page): Locator => page.getByRole('dialog');
const row = (page: Page, text: string): Locator => page.getByRole('row').filter({ hasText: text });
const card = (page: Page, text: string): Locator => page.locator('.card').filter({ hasText: text });
const hold = (place: string, more: object = {}): Promise<unknown> =>
  pawld.ask('POST', 'v1/holds', { place, reason: 'not now', ...more });

test('place is held by its form, marks its cards, and is resumed', async ({ page }) => {
  await page.goto(pawld.base);
  await expect(card(page, 'HOLD-1')).toBeVisible();
  await page.keyboard.press('g');
  await page.keyboard.press('h');
  await expect(page.getByText('Nothing is held: everything may start')).toBeVisible();
  await page.getByRole('button', { name: 'Hold a place…' }).click();
  await dialog(page).getByLabel('What').selectOption('a stage, of any pipeline');
  const submit = dialog(page).getByRole('button', { name: 'Hold', exact: true });
  await submit.click();
  await expect(dialog(page).getByRole('alert')).toContainText('Name the stage.');
  await dialog(page).getByLabel('Its name').fill('developmint');
  await dialog(page).getByLabel('Until').fill('2020-01-01T00:00');
  await dialog(page).getByLabel('Why').fill('the developers are away');
  await submit.click();
  await expect(dialog(page).getByRole('alert')).toContainText('That time is over');
  await dialog(page).getByLabel('Until').fill('2040-06-01T08:30');
  await submit.click();
  await expect(dialog(page).getByRole('alert')).toContainText('development');
  await expect(dialog(page).locator('datalist option[value=development]')).toHaveCount(1);
  await dialog(page).getByLabel('Its name').fill('development');
  await submit.click();
  await expect(dialog(page)).toHaveCount(0);
  const held = row(page, 'development');
  await expect(held).toContainText('2040-06-01 08:30:00');
  await expect(held).toContainText('the developers are away');
  await expect(held).toContainText('tcp');
  // The record says who: this page, and until the instant that was meant.
  const { items } = await pawld.ask('GET', 'v1/holds');
  expect(items).toMatchObject([
    { place: 'stage:development', reason: 'the developers are away', until_at: expect.stringMatching(/^2040-0[56]/) },
  ]);
  await page.goto(`${pawld.base}#/board`);
  await expect(card(page, 'HOLD-1').getByText('on hold')).toBeVisible();
  await expect(card(page, 'HOLD-2').getByText('on hold')).toHaveCount(0);
  await page.goto(`${pawld.base}#/holds`);
  await held.getByRole('button', { name: 'Resume' }).click();
  await dialog(page).getByLabel('Why').fill('they are back');
  await dialog(page).getByRole('button', { name: 'Resume' }).click();
  await expect(page.getByText('Nothing is held: everything may start')).toBeVisible();
  await page.goto(`${pawld.base}#/board`);
  await expect(card(page, 'HOLD-1')).toBeVisible();
  await expect(page.getByText('on hold')).toHaveCount(0);
});

test('end and reason of a hold are changed', async ({ page }) => {
  await hold('repo:shop');
  await page.goto(`${pawld.base}#/holds`);
  await expect(row(page, 'shop')).toContainText('until it is resumed');
  await row(page, 'shop').getByRole('button', { name: 'Change' }).click();
  await dialog(page).getByLabel('Until').fill('2041-01-01T00:00');
  await dialog(page).getByLabel('Why').fill('longer');
  await dialog(page).getByRole('button', { name: 'Hold', exact: true }).click();
  await expect(row(page, 'shop')).toContainText('2041-01-01');
  await expect(row(page, 'shop')).toContainText('longer');
});

test('task that is held says so, and is let past until its next stage', async ({ page }) => {
  await page.goto(`${pawld.base}#/task/${task}`);
  await page.getByRole('button', { name: 'Hold', exact: true }).click();
  await dialog(page).getByLabel('Why').fill('wait for legal');
  await dialog(page).getByRole('button', { name: 'Hold', exact: true }).click();
  const banner = page.locator('.held-banner');
  await expect(banner).toContainText('on hold');
  await expect(banner).toContainText('wait for legal');
  await banner.getByRole('button', { name: 'Override' }).click();
  await expect(dialog(page)).toContainText('On its next stage it is held again');
  await dialog(page).getByLabel('Why').fill('it cannot wait');
  await dialog(page).getByRole('button', { name: 'Override' }).click();
  await expect(banner).toHaveCount(0);
  await pawld.move(task, 'review', 1);
  await expect(banner).toContainText('wait for legal');
  await banner.getByRole('button', { name: 'Resume' }).click();
  await dialog(page).getByLabel('Why').fill('legal says yes');
  await dialog(page).getByRole('button', { name: 'Resume' }).click();
  await expect(banner).toHaveCount(0);
});

test('what is stuck because it is held can be resumed, or let past', async ({ page }) => {
  await hold('stage:development');
  await page.goto(`${pawld.base}#/stuck`);
  await expect(row(page, 'HOLD-1').getByRole('button', { name: 'Resume' })).toBeVisible();
  await row(page, 'HOLD-1').getByRole('button', { name: 'Override' }).click();
  await dialog(page).getByLabel('Why').fill('go');
  await dialog(page).getByRole('button', { name: 'Override' }).click();
  await expect(row(page, 'HOLD-1').getByRole('button', { name: 'Override' })).toHaveCount(0);
  expect((await pawld.task(task)).let_through).toBe(1);
});

test('act that comes too late is refused with a sentence', async ({ page }) => {
  await hold('stage:development');
  await page.goto(`${pawld.base}#/holds`);
  await row(page, 'development').getByRole('button', { name: 'Resume' }).click();
  await pawld.ask('DELETE', 'v1/holds?place=stage:development');
  await dialog(page).getByLabel('Why').fill('too late');
  await dialog(page).getByRole('button', { name: 'Resume' }).click();
  await expect(dialog(page).getByRole('alert')).toContainText('pawld refused this');
});

test('holds are as they were, at a position in the log', async ({ page }) => {
  await hold('stage:development');
  const { seq } = await pawld.ask('GET', 'readyz');
  await pawld.ask('DELETE', 'v1/holds?place=stage:development');
  await page.goto(`${pawld.base}#/holds@${seq}`);
  await expect(row(page, 'development')).toContainText('not now');
  await expect(page.getByRole('button', { name: 'Resume' })).toHaveCount(0);
  await page.goto(`${pawld.base}#/board@${seq}`);
  await expect(card(page, 'HOLD-1').getByText('on hold')).toBeVisible();
  await page.goto(`${pawld.base}#/board@${seq + 1}`);
  await expect(card(page, 'HOLD-1')).toBeVisible();
  await expect(page.getByText('on hold')).toHaveCount(0);
});

test('every size has its layout, and hostile words are text', async ({ page }) => {
  await hold('stage:development', { reason: hostile, until: '2040-01-01T00:00:00Z' });
  await hold('repo:depot', { reason: 'stocktaking in the depot: nothing leaves it before all of it is counted' });
  await hold(`task:${task}`, { reason: 'x'.repeat(300) });
  for (const hash of ['#/holds', '#/board', `#/task/${task}`]) {
    await page.goto(pawld.base + hash);
    await expect(page.locator('.rows, .card, .held-banner').first()).toBeVisible();
    expect(await page.locator('main img').count()).toBe(0);
    await expectGoodLooks(page, hash);
  }
  await page.goto(`${pawld.base}#/holds`);
  await expect(page.getByText('<img src=x onerror=alert(1)> \ufffdgnp.exe')).toBeVisible();
  await page.getByRole('button', { name: 'Hold a place…' }).click();
  await expectGoodLooks(page, 'dialog of a hold');
});
