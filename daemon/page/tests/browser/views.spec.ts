// Every view, with something in every state: what it shows, and what can be done with it.
import { busyPawld } from './pawld';
import { expect, test } from './watched';

const board = busyPawld();

test('board has a card for each live task, with what goes on', async ({ page }) => {
  await page.goto(board.pawld.base);
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
  await page.goto(board.pawld.base);
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
  await page.goto(`${board.pawld.base}#/queue`);
  const queued = page.getByRole('table', { name: 'Queued jobs' });
  await expect(queued.getByRole('row').filter({ hasText: 'OPS-31' })).toContainText('its task waits for another task');
  await expect(page.getByRole('table', { name: 'Blocked tasks' })).toContainText('job_failed');
});

test('workers have their host, what they run, and when they were last heard', async ({ page }) => {
  await page.goto(`${board.pawld.base}#/workers`);
  const row = page.getByRole('row').filter({ hasText: 'worker-7' });
  await expect(row).toContainText('builder-7');
  await expect(row).toContainText('SHOP-102 coder');
  await expect(row).toContainText(/\d+ (s|min) ago|\d+ s ago/);
});

test('settings say who set them, and when', async ({ page }) => {
  await page.goto(`${board.pawld.base}#/settings`);
  const row = page.getByRole('row').filter({ hasText: 'queue.max_concurrency' });
  await expect(row).toContainText('6');
  await expect(row).toContainText('ada tcp');
  await expect(row).toContainText(/20\d\d-\d\d-\d\d/);
  await expect(page.getByRole('row').filter({ hasText: 'stop.kill_after_s' })).toContainText('its default');
});

test('task has its stages, lanes and story, and a refused act leads to who won', async ({ page }) => {
  await page.goto(`${board.pawld.base}#/task/${board.ids.contested}`);
  await expect(page.getByRole('list', { name: 'Stages' }).locator('[aria-current=step]')).toContainText('staging');
  await expect(page.getByRole('group', { name: 'Acts of latecomer' })).toBeVisible();
  await expect(page.getByRole('button', { name: /^lease task:\d+ for staging → deploy, for/ })).toBeVisible();
  await page.getByRole('button', { name: /deployer tries to take .* it lost to record/ }).click();
  await expect(page.locator('.line.is-chosen')).toContainText('deployer of worker-7 takes the lease');
  // What it was refused for, and by which record: as `pawl explain` says it.
  const refused = page.locator('.line.is-refused').filter({ hasText: 'latecomer' });
  await expect(refused).toContainText('refused: the task has another version than it expected');
  await page.getByLabel(/Refused acts/).check();
  await expect(page.locator('.line')).toHaveCount(2);
});

test('task that is done has its whole story', async ({ page }) => {
  await page.goto(`${board.pawld.base}#/task/${board.ids.done}`);
  await expect(page.getByRole('button', { name: /step merge, took/ })).toBeVisible();
  await expect(page.getByText(/finalizer moves task 1 \(SHOP-101\) from deploy to done/)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Cancel task', exact: true })).toHaveCount(0);
  await page.locator('.line summary').first().click();
  await expect(page.locator('.record').first()).toContainText('TaskCreated');
});

test('time axis zooms and moves', async ({ page }) => {
  await page.goto(`${board.pawld.base}#/task/${board.ids.done}`);
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
