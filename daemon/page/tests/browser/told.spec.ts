// What pawld tells of its log: the story of a task, two positions compared, incidents.
import { readFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { expectGoodLooks } from './looks';
import { Pawld } from './pawld';
import { expect, test } from './watched';

const hostile = '<img src=x onerror=alert(1)>';
let pawld: Pawld;
/// After which record each thing was so.
const at: { [name: string]: number } = {};
const seq = async (): Promise<number> => (await pawld.ask('GET', 'readyz')).seq;

/// A setting makes the restart of a worker fail its job: the task is blocked because of that record.
test.beforeAll(async () => {
  pawld = new Pawld();
  pawld.options.push('--audit-percent', '100');
  await pawld.start();
  await pawld.ask('POST', 'v1/settings', { 'queue.max_concurrency': 8, 'queue.serial_per_repo': false });
  const worker = await pawld.worker('worker-7');
  const other = await pawld.worker('worker-9');
  at['begin'] = await seq();
  await pawld.submit('TOLD-1');
  await pawld.submit(hostile, { branch: null });
  await pawld.ask('POST', 'v1/tasks/2/note', { text: '<script>alert(3)</script> \u202egnp.exe' });
  at['submitted'] = await seq();
  await pawld.ask('POST', 'v1/settings', { 'recovery.max_interruptions': 0 }, { 'Pawl-Actor': 'ada' });
  at['cause'] = await seq();
  await pawld.claim(worker);
  await pawld.claim(worker);
  await pawld.lease('task:1', other);
  for (let times = 0; times < 3; times++) await pawld.lease('task:1', worker);
  await pawld.ask('POST', 'v1/boots', {
    name: 'worker-7',
    boot_id: 'again',
    pid: 5,
    pid_start: 1,
    host: 'builder-7 x 1',
    version: '2.1',
  });
  at['blocked'] = await seq();
  expect((await pawld.task(1)).blocked).toBe('job_failed');
});
test.afterAll(() => pawld.end());

const history = (page: Page) => page.getByRole('region', { name: 'History' });
const region = (page: Page, name: string) => page.getByRole('region', { name, exact: true });

test('task has its story in the words of pawl explain, and each line what it rests on', async ({ page }) => {
  await page.goto(`${pawld.base}#/task/1`);
  const lines = history(page).locator('.lines');
  await expect(lines).toContainText('creates a task for TOLD-1 of shop, branch feature/told-1: task 1 on development');
  await expect(lines).toContainText('job 1 is queued');
  await expect(lines).toContainText('ada sets recovery.max_interruptions to 0');
  await expect(lines).toContainText('refused: the lease is held');
  await expect(lines).toContainText(/1 interruption > 0 \(recovery\.max_interruptions, set by \d+\)/);
  const reaped = page.locator('.line').filter({ hasText: 'reaps job 1' });
  await reaped.getByRole('button', { name: String(at['cause']), exact: true }).click();
  await expect(page.locator('.line.is-chosen')).toContainText('ada sets recovery.max_interruptions');
  // A new record is there at once, in the page's own words, and soon in those of the story.
  await pawld.ask('POST', 'v1/tasks/1/note', { text: 'looked at' }, { 'Pawl-Actor': 'grace' });
  await expect(lines).toContainText('grace notes: looked at');
  await page.goto(`${pawld.base}#/task/1@${at['submitted']}`);
  await expect(page.locator('.line')).toHaveCount(1);
  await expect(lines).toContainText('job 1 is queued');
});

test('story that pawld refuses to tell leaves the records, and a sentence', async ({ page }) => {
  await page.route('**/v1/tasks/1/story*', (route) =>
    route.fulfill({
      status: 422,
      contentType: 'application/json',
      body: JSON.stringify({
        error: { code: 'story_too_long', message: 'the records are spread over 600000 records of the log' },
      }),
    }),
  );
  await page.goto(`${pawld.base}#/task/1`);
  await expect(history(page)).toContainText('the records are spread over 600000 records of the log');
  await expect(history(page).locator('.lines')).toContainText('operator creates a task for TOLD-1');
});

test('lines that repeat one are folded into it, and open', async ({ page }) => {
  for (let times = 0; times < 4; times++) await pawld.ask('POST', 'v1/tasks/2/note', { text: 'again' });
  await page.goto(`${pawld.base}#/task/2`);
  const folded = page.locator('.lines > .line').filter({ hasText: 'and 3 more records like it' });
  await expect(folded).toContainText('notes: again');
  await expect(folded.locator('.line').first()).not.toBeVisible();
  await folded.getByText('and 3 more records like it').click();
  await expect(folded.locator('.line').first()).toBeVisible();
  await expect(folded.locator('.line')).toHaveCount(3);
});

test('two positions are compared: by kind, with each field, and a filter', async ({ page }) => {
  await page.goto(`${pawld.base}#/board@${at['submitted']}`);
  await page.getByRole('button', { name: 'Compare with…' }).click();
  const field = page.getByRole('textbox', { name: 'with record' });
  await field.fill('x');
  await page.keyboard.press('Enter');
  await expect(page.getByText('a record has a number from 1 on')).toBeVisible();
  await field.fill('99999999');
  await page.keyboard.press('Enter');
  await expect(page.getByText(/the log ends at record/).first()).toBeVisible();
  await field.fill(String(at['blocked']));
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(`${pawld.base}#/compare/${at['submitted']}@${at['blocked']}`);
  const task = region(page, 'Tasks').getByRole('listitem').filter({ hasText: 'TOLD-1' });
  await expect(task).toContainText('changed');
  await expect(task).toContainText('blocked');
  await expect(task).toContainText('job_failed');
  await expect(region(page, 'Jobs')).toContainText('run.owner.actor');
  await expect(region(page, 'Settings')).toContainText('recovery.max_interruptions');
  await expect(region(page, 'Settings')).toContainText('after: 0');
  await expect(region(page, 'Leases').getByText('added')).toBeVisible();
  await page.getByLabel('Filter the differences').fill('setting');
  await expect(page.getByText('1 difference shown')).toBeVisible();
  await expect(region(page, 'Tasks')).toHaveCount(0);
  await page.getByLabel('Filter the differences').fill('');
  await page.getByRole('button', { name: 'Swap' }).click();
  await expect(page).toHaveURL(`${pawld.base}#/compare/${at['blocked']}@${at['submitted']}`);
  await expect(region(page, 'Leases').getByText('removed')).toBeVisible();
  await expect(region(page, 'Settings')).toContainText('after: 5');
  await task.getByRole('link', { name: `at ${at['submitted']}` }).click();
  await expect(page).toHaveURL(`${pawld.base}#/task/1@${at['submitted']}`);
});

test('comparison follows a step of the position, and the present', async ({ page }) => {
  await page.goto(`${pawld.base}#/compare/${at['begin']}@${at['submitted']}`);
  await expect(region(page, 'Tasks').getByRole('listitem')).toHaveCount(2);
  await expect(region(page, 'Settings')).toHaveCount(0);
  await page.getByRole('slider', { name: 'Record' }).focus();
  await page.keyboard.press('ArrowRight');
  await expect(page).toHaveURL(`${pawld.base}#/compare/${at['begin']}@${at['cause']}`);
  await expect(region(page, 'Settings')).toContainText('recovery.max_interruptions');
  await page.keyboard.press('p');
  await expect(page).toHaveURL(`${pawld.base}#/compare/${at['begin']}`);
  await expect(page.getByText('To now')).toBeVisible();
  await pawld.ask('POST', 'v1/settings', { 'job.max_attempts': 7 });
  await expect(region(page, 'Settings')).toContainText('job.max_attempts');
});

test('comparison with itself, beyond the end and of no record gets a sentence', async ({ page }) => {
  await page.goto(`${pawld.base}#/compare/5@5`);
  await expect(page.getByText('Both positions are record 5')).toBeVisible();
  await page.goto(`${pawld.base}#/compare/99999999@5`);
  await expect(page.getByRole('alert')).toContainText('the log ends with record');
  await page.goto(`${pawld.base}#/compare/5@99999999`);
  await expect(page.getByText(/there is no record 99,999,999 yet/)).toBeVisible();
  await page.goto(`${pawld.base}#/compare/<b>`);
  await expect(page.getByText('That is not the number of a record')).toBeVisible();
});

test('incidents are listed with their chain, and lead to the report', async ({ page }) => {
  await page.goto(pawld.base);
  await expect(page.locator('.card')).toHaveCount(2);
  await page.keyboard.press('g');
  await page.keyboard.press('i');
  const incident = region(page, 'Incidents').getByRole('listitem').first();
  await expect(incident).toContainText('recovery.max_interruptions was set to 0 by ada (before: 5)');
  await expect(incident).toContainText('SettingChanged');
  await expect(incident.getByRole('link', { name: String(at['blocked']), exact: true })).toHaveAttribute(
    'href',
    new RegExp(`@${at['blocked']}$`),
  );
  await expect(page.getByText(/As of record \d+ of \d+/)).toBeVisible();
  const ended = region(page, 'What ended badly').getByRole('listitem').filter({ hasText: 'was blocked' });
  await expect(ended.first()).toContainText('decided 1 interruption > 0');
  await expectGoodLooks(page, 'incidents');
  await page.setViewportSize({ width: 1280, height: 800 });
  await incident.getByRole('link', { name: /recovery/ }).click();
  await expect(page).toHaveURL(`${pawld.base}#/incident/${at['cause']}`);
  await expect(region(page, 'The cause')).toContainText('recovery.max_interruptions was set to 0 by ada (before: 5)');
  await expect(region(page, 'The cause')).not.toContainText('was blocked');
  await expect(region(page, 'What ended badly')).toContainText('task 1 (TOLD-1) was blocked: job_failed');
  await expect(region(page, 'How it came about')).toContainText('ada sets recovery.max_interruptions to 0');
  await expect(
    page.getByRole('table', { name: 'Defences' }).getByRole('row').filter({ hasText: 'recovery.max_interruptions=5' }),
  ).toContainText('prevented');
  await region(page, 'The stories').getByText('task 1', { exact: true }).click();
  await expect(region(page, 'The stories')).toContainText('creates a task for TOLD-1');
  await expectGoodLooks(page, 'report');
});

test('report is kept as a page, and as a log without names', async ({ page }) => {
  await page.goto(`${pawld.base}#/incident/${at['blocked']}`);
  await expect(page.getByRole('heading', { level: 1 })).toContainText(`began with record ${at['cause']}`);
  for (const [button, name, begins] of [
    ['Download as a page', `incident-${at['blocked']}.html`, '<!doctype html>'],
    ['Download as a redacted log', `incident-${at['blocked']}.jsonl`, '{'],
  ] as const) {
    const waited = page.waitForEvent('download');
    await page.getByRole('button', { name: button }).click();
    const download = await waited;
    expect(download.suggestedFilename()).toBe(name);
    const text = readFileSync(await download.path(), 'utf8');
    expect(text.startsWith(begins)).toBe(true);
    expect(text.includes('TOLD-1')).toBe(name.endsWith('html'));
  }
});

test('report that has to wait for others is asked for again', async ({ page }) => {
  let times = 0;
  await page.route('**/v1/incidents/*', (route) => {
    if (++times > 1) return route.continue();
    const body = JSON.stringify({ error: { code: 'too_many_past', message: 'others wait' } });
    return route.fulfill({ status: 503, headers: { 'Retry-After': '1' }, contentType: 'application/json', body });
  });
  await page.goto(`${pawld.base}#/incident/${at['cause']}`);
  await expect(page.getByText('pawld makes the report')).toBeVisible();
  await expect(region(page, 'The cause')).toBeVisible();
  expect(times).toBe(2);
});

test('record without an incident, one beyond the end and no record get a sentence', async ({ page }) => {
  for (const [typed, says] of [
    ['1', 'There is no incident around record 1'],
    ['99999999', 'There is no incident around record 99,999,999'],
    ['x', 'That is not the number of a record'],
  ] as const) {
    await page.goto(`${pawld.base}#/incident/${typed}`);
    await expect(page.getByText(says)).toBeVisible();
    await page.getByRole('link', { name: 'Go to the incidents' }).click();
    await expect(page.getByRole('heading', { level: 1, name: 'Incidents' })).toBeVisible();
  }
});

test('hostile names are text in all of it, and every size has its layout', async ({ page }) => {
  for (const [hash, what] of [
    ['#/task/2', 'story'],
    [`#/compare/${at['begin']}@${at['blocked']}`, 'comparison'],
  ] as const) {
    await page.goto(`${pawld.base}${hash}`);
    await expect(page.getByText(hostile).first()).toBeVisible();
    if (what === 'story') await expect(history(page)).toContainText('<script>alert(3)</script> \ufffdgnp.exe');
    expect(await page.locator('main img, main script').count()).toBe(0);
    if (what === 'comparison')
      await page
        .getByText(/^\d+ fields$/)
        .first()
        .click();
    await expectGoodLooks(page, what);
  }
});

test('more differences than one answer has are shown on demand', async ({ page }) => {
  const from = await seq();
  await pawld.submitMany(300, 'MORE');
  await page.goto(`${pawld.base}#/compare/${from}@${await seq()}`);
  await expect(page.getByText('The first 256 of 600 differences are here')).toBeVisible();
  await expect(region(page, 'Tasks').getByRole('heading')).toHaveText('Tasks 256');
  await page.getByRole('button', { name: 'Show 256 more' }).click();
  await expect(page.getByText('The first 512 of 600 differences are here')).toBeVisible();
  await page.getByRole('button', { name: 'Show 88 more' }).click();
  await expect(region(page, 'Tasks').getByRole('heading')).toHaveText('Tasks 300');
  await expect(region(page, 'Jobs').getByRole('heading')).toHaveText('Jobs 300');
  await expect(page.getByText(/^The first/)).toHaveCount(0);
});

test('pawld that looks for no incidents says how it would', async ({ page }) => {
  const off = new Pawld();
  off.options.push('--audit-percent', '0');
  try {
    await off.start();
    await page.goto(`${off.base}#/incidents`);
    await expect(page.getByText('This pawld does not look for incidents')).toBeVisible();
    await expect(page.getByText('--audit-percent 5')).toBeVisible();
  } finally {
    await off.end();
  }
});
