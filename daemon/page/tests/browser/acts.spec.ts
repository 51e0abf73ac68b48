// Every act of an operator, what it asks, and what is said to wrong input; hostile names; addresses typed by hand.
import type { Page } from '@playwright/test';
import { Pawld } from './pawld';
import { expect, test } from './watched';

let pawld: Pawld;
let worker = '';

test.beforeAll(async () => {
  pawld = new Pawld();
  await pawld.start();
  await pawld.ask('POST', 'v1/settings', {
    'queue.max_concurrency': 8,
    'queue.serial_per_repo': false,
    'job.retry_delay_s': 0,
    'job.max_attempts': 1,
  });
  worker = await pawld.worker('worker-1');
});
test.afterAll(() => pawld.end());

const dialog = (page: Page) => page.getByRole('dialog');

async function act(page: Page, button: string, why: string): Promise<void> {
  await page.getByRole('group', { name: 'Actions' }).getByRole('button', { name: button, exact: true }).click();
  await expect(dialog(page)).toContainText('What it will do');
  if (why !== '') await dialog(page).getByRole('textbox').fill(why);
  await dialog(page).locator('button[type=submit]').click();
}

const history = async (task: number): Promise<any[]> =>
  (await pawld.ask('GET', `v1/tasks/${task}/history?limit=1000`)).items;

/// A task whose agent failed for good.
async function blockedTask(work_item: string): Promise<number> {
  pawld.put('fail-agent');
  const task = await pawld.submit(work_item, { stage: 'review' });
  await pawld.until('it is blocked', async () => (await pawld.task(task)).blocked !== null);
  pawld.take('fail-agent');
  return task;
}

test('retry asks why, and records it', async ({ page }) => {
  const task = await blockedTask('ACT-1');
  await page.goto(`${pawld.base}#/task/${task}`);
  await act(page, 'Retry', '');
  await expect(dialog(page).getByRole('alert')).toContainText('Say why');
  await expect(dialog(page)).toContainText('A new job for tester is queued');
  await expect(dialog(page)).toContainText('Recorded as tcp');
  await dialog(page).getByRole('textbox').fill('the cart was mended');
  await dialog(page).locator('button[type=submit]').click();
  await expect(dialog(page)).toHaveCount(0);
  await expect(page.getByText(`Done: Retry task ${task}.`)).toBeVisible();
  await pawld.until('it went on', async () => (await pawld.task(task)).stage === 'staging');
  const queued = (await history(task)).find(({ type }) => type === 'JobQueued');
  expect(queued).toMatchObject({ actor: 'page', data: { reason: 'the cart was mended' } });
  await expect(page.getByRole('list', { name: 'Stages' }).locator('[aria-current=step]')).toContainText('staging');
});

test('unblock asks why, and records it', async ({ page }) => {
  const task = await blockedTask('ACT-2');
  await page.goto(`${pawld.base}#/task/${task}`);
  await act(page, 'Unblock', 'looked at it');
  await pawld.until('it is unblocked', async () =>
    (await history(task)).some(({ type, data }) => type === 'TaskUnblocked' && data.reason === 'looked at it'),
  );
});

test('note is added', async ({ page }) => {
  const task = await pawld.submit('ACT-3');
  await page.goto(`${pawld.base}#/task/${task}`);
  await act(page, 'Add note', 'waits for the new prices');
  await expect(page.locator('.lines')).toContainText('page notes: waits for the new prices');
});

test('advance drives the task, with the reason as a note', async ({ page }) => {
  const task = await pawld.submit('ACT-4', { stage: 'staging' });
  await page.goto(`${pawld.base}#/task/${task}`);
  await act(page, 'Advance', 'the agent is not needed');
  await pawld.until('it is done', async () => (await pawld.task(task)).stage === 'done');
  expect((await history(task)).some(({ data }) => data.text === 'advanced by hand: the agent is not needed')).toBe(
    true,
  );
});

test('cancel says what will be lost, and can keep the branch', async ({ page }) => {
  const task = await pawld.submit('ACT-5');
  await page.goto(`${pawld.base}#/task/${task}`);
  await page.getByRole('button', { name: 'Cancel task' }).click();
  await expect(dialog(page)).toContainText('The task ends for good');
  await expect(dialog(page)).toContainText('feature/act-5 is deleted at origin');
  await dialog(page).getByLabel('Keep the branch at origin').check();
  await dialog(page).getByRole('textbox').fill('not wanted any more');
  await dialog(page).getByRole('button', { name: 'Cancel task' }).click();
  await pawld.until('it is cancelled', async () => (await pawld.task(task)).stage === 'cancelled');
  expect((await history(task)).find(({ type }) => type === 'CancelRequested').data).toMatchObject({
    reason: 'not wanted any more',
    keep_branch: true,
  });
  await expect(page.getByRole('button', { name: 'Cancel task', exact: true })).toHaveCount(0);
});

test('resolve asks whether the step happened', async ({ page }) => {
  pawld.put('unsure');
  const task = await pawld.submit('ACT-6', { stage: 'deploy' });
  await pawld.until('the step is in doubt', async () => (await pawld.task(task)).blocked !== null);
  pawld.take('unsure');
  await page.goto(`${pawld.base}#/task/${task}`);
  await page.getByRole('button', { name: 'Resolve merge' }).click();
  await dialog(page).getByRole('textbox').fill('main has it');
  await dialog(page).getByRole('button', { name: 'Resolve', exact: true }).click();
  await expect(dialog(page).getByRole('alert')).toContainText('Choose whether the step happened');
  await dialog(page).getByLabel('Yes: I looked, and it happened').check();
  await dialog(page).getByRole('button', { name: 'Resolve', exact: true }).click();
  await pawld.until('it is done', async () => (await pawld.task(task)).stage === 'done');
  const settled = (await history(task)).filter(({ type }) => type === 'StepFinished').at(-1);
  expect(settled.data).toMatchObject({ outcome: 'done', by: 'operator' });
});

test('release takes a lease away, by its token', async ({ page }) => {
  const task = await pawld.submit('ACT-7', { stage: 'staging' });
  await pawld.lease(`task:${task}`, worker, { ttl_s: 3600 });
  await page.goto(`${pawld.base}#/leases`);
  const row = page.getByRole('row').filter({ hasText: 'ACT-7' });
  await row.getByRole('button', { name: 'Release' }).click();
  await expect(dialog(page)).toContainText('is taken from its holder');
  await dialog(page).getByRole('textbox').fill('the worker is lost');
  await dialog(page).getByRole('button', { name: 'Release' }).click();
  await expect(row).toHaveCount(0);
  const records = await history(task);
  expect(records.some(({ type, outcome }) => type === 'LeaseReleased' && outcome === 'accepted')).toBe(true);
  expect(records.some(({ data }) => data.text === 'lease released by hand: the worker is lost')).toBe(true);
});

test('commands of what is stuck are buttons', async ({ page }) => {
  const task = await blockedTask('ACT-8');
  await page.goto(`${pawld.base}#/stuck`);
  const row = page.getByRole('row').filter({ hasText: 'ACT-8' });
  await expect(row).toContainText(`pawl retry ${task}`);
  await row.getByRole('button', { name: 'Retry' }).click();
  await dialog(page).getByRole('textbox').fill('again');
  await dialog(page).getByRole('button', { name: 'Retry' }).click();
  await expect(row.getByText(`pawl retry ${task}`)).toHaveCount(0);
  await pawld.until('it went on', async () => (await pawld.task(task)).stage === 'staging');
});

test('refusal of pawld is shown in the dialog, and nothing is lost', async ({ page }) => {
  const task = await blockedTask('ACT-9');
  await page.goto(`${pawld.base}#/task/${task}`);
  await page.getByRole('button', { name: 'Unblock' }).click();
  await pawld.ask('POST', `v1/tasks/${task}/cancel`, {});
  await dialog(page).getByRole('textbox').fill('too late');
  await dialog(page).getByRole('button', { name: 'Unblock' }).click();
  await expect(dialog(page).getByRole('alert')).toContainText('pawld refused this');
  await expect(dialog(page).getByRole('textbox')).toHaveValue('too late');
  await page.keyboard.press('Escape');
  await expect(dialog(page)).toHaveCount(0);
});

test('reason that is too long is said to be', async ({ page }) => {
  const task = await pawld.submit('ACT-10');
  await page.goto(`${pawld.base}#/task/${task}`);
  await page.getByRole('button', { name: 'Cancel task' }).click();
  await dialog(page).getByRole('textbox').fill('ü'.repeat(513));
  await dialog(page).getByRole('button', { name: 'Cancel task' }).click();
  await expect(dialog(page).getByRole('alert')).toContainText('longer than 1,024 bytes');
  expect((await pawld.task(task)).cancel_requested).toBeNull();
});

test('hostile names are text everywhere', async ({ page }) => {
  const script = '<img src=x onerror=alert(1)><script>alert(2)</script>';
  const hebrew = `${'שלום'.repeat(5)} (review)`;
  const long = `long-${'x'.repeat(190)}`;
  const hostile = await pawld.submit(script, { branch: 'feature/<b>bold</b>' });
  await pawld.submit(hebrew, { branch: null });
  await pawld.submit(long, { branch: `feature/${'y'.repeat(200)}` });
  await pawld.ask('POST', `v1/tasks/${hostile}/note`, { text: '<script>alert(3)</script> \u202egnp.exe\u202c {{x}}' });
  let dialogs = 0;
  page.on('dialog', (each) => {
    dialogs++;
    void each.dismiss();
  });
  for (const hash of ['#/board', '#/queue', '#/stuck?all=shown', `#/task/${hostile}`]) {
    await page.goto(`${pawld.base}${hash}`);
    await expect(page.getByText(script).first()).toBeVisible();
    expect(
      await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth),
      hash,
    ).toBe(true);
  }
  await expect(page.locator('.lines')).toContainText('<script>alert(3)</script> \ufffdgnp.exe\ufffd');
  expect(await page.locator('main script, main img, main b').count()).toBe(0);
  expect(dialogs).toBe(0);
});

test('addresses typed by hand get a sentence and a way back', async ({ page }) => {
  const wrong: [hash: string, says: string][] = [
    ['#/nothing', 'There is no such page'],
    ['#/task/999999', 'There is no task 999999'],
    ['#/task/<script>', 'That is not the number of a task'],
    ['#/task/0', 'That is not the number of a task'],
    ['#/%E0%A4%A', 'There is no such page'],
  ];
  for (const [hash, says] of wrong) {
    await page.goto(`${pawld.base}${hash}`);
    await expect(page.getByText(says), hash).toBeVisible();
    await page.getByRole('link', { name: 'Go to the board' }).click();
    await expect(page.getByLabel('Filter by text')).toBeVisible();
  }
  await page.goto(`${pawld.base}#/board@99999999`);
  await expect(page.getByText(/there is no record 99,999,999 yet/)).toBeVisible();
  await page.getByRole('link', { name: 'Show it live' }).click();
  await expect(page.getByText(/there is no record/)).toHaveCount(0);
  await page.goto(`${pawld.base}#/board@1`);
  await expect(page.getByText(/Record 1 of/)).toBeVisible();
});
