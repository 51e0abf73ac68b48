// Looking back: every view at a position in the log, and the ways from one position to another.
import AxeBuilder from '@axe-core/playwright';
import { Pawld } from './pawld';
import { expect, test } from './watched';

let pawld: Pawld;
/// After which record each thing was so.
const at: { [name: string]: number } = {};
test.beforeEach(async () => {
  pawld = new Pawld();
  await pawld.start();
  const seq = async (): Promise<number> => (await pawld.ask('GET', 'readyz')).seq;
  at['empty'] = await seq();
  await pawld.submit('PAST-1');
  at['submitted'] = await seq();
  const worker = await pawld.worker('w');
  await pawld.claim(worker);
  at['claimed'] = await seq();
  await pawld.submit('PAST-2');
  await pawld.ask('POST', 'v1/settings', { 'queue.max_concurrency': 7 });
  await pawld.ask('POST', 'v1/tasks/1/note', { text: 'looked at' });
  at['end'] = await seq();
});
test.afterEach(() => pawld.end());

test('board, task, queue and settings are as they were', async ({ page }) => {
  await page.goto(`${pawld.base}#/board@${at['empty']}`);
  await expect(page.getByText(`Record ${at['empty']} of ${at['end']}`)).toBeVisible();
  await expect(page.getByText('No live tasks')).toBeVisible();
  await page.goto(`${pawld.base}#/board@${at['submitted']}`);
  await expect(page.locator('.card')).toHaveCount(1);
  await expect(page.locator('.card')).toContainText('queued');
  await page.goto(`${pawld.base}#/board@${at['claimed']}`);
  await expect(page.locator('.card')).toContainText('agent coder');
  await expect(page.locator('.card')).toHaveCount(1);
  // A link stays at the position, and nothing can be done there.
  await page.locator('.card').first().click();
  await expect(page).toHaveURL(new RegExp(`#/task/1@${at['claimed']}$`));
  await expect(page.getByLabel('History').getByText('claims job 1')).toBeVisible();
  await expect(page.getByText('looked at')).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Cancel task' })).toHaveCount(0);
  await page.goto(`${pawld.base}#/queue@${at['claimed']}`);
  await expect(page.getByRole('heading', { name: 'Running 1' })).toBeVisible();
  await page.goto(`${pawld.base}#/settings@${at['claimed']}`);
  await expect(page.getByRole('row', { name: /queue\.max_concurrency/ })).not.toContainText('7');
  await page.goto(`${pawld.base}#/task/2@${at['claimed']}`);
  await expect(page.getByText('it was not created yet')).toBeVisible();
  await page.getByRole('button', { name: 'Live' }).click();
  await expect(page.getByRole('heading', { name: 'PAST-2' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Cancel task' })).toBeVisible();
});

test('keys go by record, by record of the task, and by minute; live is a key away', async ({ page }) => {
  await page.goto(`${pawld.base}#/task/1`);
  await expect(page.getByRole('heading', { name: 'PAST-1' })).toBeVisible();
  await page.keyboard.press('p');
  await expect(page).toHaveURL(new RegExp(`#/task/1@${at['end']}$`));
  const slider = page.getByRole('slider', { name: 'Record' });
  await slider.focus();
  await page.keyboard.press('ArrowLeft');
  await expect(page).toHaveURL(new RegExp(`@${(at['end'] ?? 0) - 1}$`));
  // The note was the last record of this task; the one before it is from its claim.
  await page.keyboard.press('Shift+ArrowLeft');
  await expect(page).toHaveURL(new RegExp(`@${at['claimed']}$`));
  await page.keyboard.press('Shift+ArrowRight');
  await expect(page).toHaveURL(new RegExp(`@${at['end']}$`));
  // All of it was within a minute.
  await page.keyboard.press('PageDown');
  await expect(page).toHaveURL(/@1$/);
  await page.keyboard.press('Home');
  await page.keyboard.press('p');
  await expect(page).toHaveURL(/#\/task\/1$/);
  await expect(page.getByText('live', { exact: true })).toBeVisible();
});

test('step goes by one record even before the length of the log is known', async ({ page }) => {
  let letGo = (): void => {};
  const isKnown = new Promise<void>((done) => (letGo = done));
  await page.route('**/readyz', async (route) => {
    await isKnown;
    await route.continue();
  });
  await page.goto(`${pawld.base}#/board@${at['submitted']}`);
  await page.getByRole('slider', { name: 'Record' }).focus();
  await page.keyboard.press('ArrowRight');
  await expect(page).toHaveURL(new RegExp(`@${(at['submitted'] ?? 0) + 1}$`));
  letGo();
  await expect(page.locator('.card')).toHaveCount(1);
});

test('present goes on while the past is looked at, and the past stays as it was', async ({ page }) => {
  await page.goto(`${pawld.base}#/board@${at['submitted']}`);
  await expect(page.locator('.card')).toHaveCount(1);
  await pawld.submit('PAST-3');
  await page.getByRole('button', { name: 'One record on' }).click();
  await expect(page.getByText(`Record ${(at['submitted'] ?? 0) + 1} of`)).toBeVisible();
  await expect(page.locator('.card')).toHaveCount(1);
  await page.getByRole('button', { name: 'Live' }).click();
  await expect(page.locator('.card')).toHaveCount(3);
});

for (const scheme of ['light', 'dark'] as const) {
  test(`bar of the position can be read and used by all, ${scheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme });
    for (const width of [390, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      await page.goto(`${pawld.base}#/task/1@${at['claimed']}`);
      await expect(page.getByLabel('History').getByText('claims job 1')).toBeVisible();
      const sideways = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(sideways, `${width} px`).toBeLessThanOrEqual(0);
      const { violations } = await new AxeBuilder({ page }).include('.position').analyze();
      expect(
        violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`),
        `${width} px`,
      ).toEqual([]);
    }
  });
}
