// What waits for a person's word: who sees it, who may answer, and what becomes of an answer that comes too late.
import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from '@playwright/test';
import { expectGoodLooks } from './looks';
import { Pawld } from './pawld';
import { expect, test } from './watched';

const asking = `
name: asking
stages:
  - name: check
    gate:
      approve:
        by: [ada, grace, "group:release"]
        need: 2
        not_submitter: true
        timeout_s: 172800
    to: ship
  - name: ship
    agent: coder
    to: done
agents:
  coder: {}
`;

let pawld: Pawld;
let file = '';
const tokens: { [name: string]: string } = {};

function addToken(name: string, ...rights: string[]): void {
  const said = execFileSync(
    join(process.env['PAWL_BIN'] ?? '', 'pawl'),
    ['tokens', 'add', name, ...rights, '--file', file],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  tokens[name] = said.trim().split(/\s+/).at(-1) ?? '';
}

const as = (name: string): Record<string, string> => ({ Authorization: `Bearer ${tokens[name] ?? ''}` });

test.beforeAll(async () => {
  pawld = new Pawld();
  appendFileSync(join(pawld.folder, 'asking.yaml'), asking);
  file = join(pawld.folder, 'tokens');
  addToken('ada', '--role', 'operate');
  addToken('grace', '--role', 'read');
  addToken('linus', '--role', 'operate', '--groups', 'release');
  addToken('eve', '--role', 'operate');
  pawld.options.push('--tokens', file, '--pipeline', join(pawld.folder, 'asking.yaml'));
  await pawld.start();
  await pawld.ask('POST', 'v1/settings', { 'reconciler.interval_s': 1 }, as('ada'));
});
test.afterAll(() => pawld.end());

/// A task that waits for two of ada, grace and linus.
async function asked(work_item: string, submitter = 'eve'): Promise<number> {
  const body = { work_item, repo: 'shop', pipeline: 'asking' };
  const { task } = await pawld.ask('POST', 'v1/tasks', body, as(submitter));
  await pawld.until('it is asked', async () => (await row(task.id)).approval !== null);
  return task.id as number;
}

const row = (id: number): Promise<any> => pawld.ask('GET', `v1/tasks/${id}`, undefined, as('ada'));
const say = (who: string, id: number, approved: boolean, version = 1): Promise<unknown> =>
  pawld.ask('POST', `v1/tasks/${id}/approval`, { version, approved, reason: `${who} looked` }, as(who));

async function signIn(page: Page, name: string, hash: string): Promise<void> {
  await page.goto(pawld.base + hash);
  await page.getByLabel('Token').fill(tokens[name] ?? '');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByText('live', { exact: true })).toBeVisible();
}

const dialog = (page: Page): Locator => page.getByRole('dialog');
const panel = (page: Page): Locator => page.getByRole('region', { name: 'Approval', exact: true });
const answer = async (page: Page, button: 'Approve' | 'Reject', why: string): Promise<void> => {
  await panel(page).getByRole('button', { name: button }).click();
  if (why !== '') await dialog(page).getByRole('textbox').fill(why);
  await dialog(page).getByRole('button', { name: button }).click();
};

test('two approve, and the task goes on; a token that may only read is enough', async ({ page }) => {
  const id = await asked('APP-1');
  await signIn(page, 'grace', '#/board');
  await expect(page.locator('.card').filter({ hasText: 'APP-1' })).toContainText('approval 0 of 2');
  await expect(page.getByRole('link', { name: /^Approvals \d+ for you/ })).toBeVisible();
  await page.keyboard.press('g');
  await page.keyboard.press('v');
  const mine = page.getByRole('region', { name: 'Waiting for you' });
  await mine.getByRole('link', { name: 'APP-1' }).click();
  await expect(panel(page)).toContainText('version 1');
  await expect(panel(page)).toContainText('token:ada, token:grace or group:release, but not who submitted it');
  await answer(page, 'Approve', 'the numbers are right');
  await expect(page.getByText(`Done: Approve task ${id}.`)).toBeVisible();
  await expect(panel(page)).toContainText('1 of 2');
  await expect(panel(page).getByRole('list', { name: 'What was said' })).toContainText('the numbers are right');
  await expect(panel(page)).toContainText('You have approved it.');
  await expect(panel(page).getByRole('button', { name: 'Approve' })).toHaveCount(0);
  // A group of a token is a name, too, and its word needs no reason.
  const other = await page.context().newPage();
  await signIn(other, 'linus', `#/task/${id}`);
  await answer(other, 'Approve', '');
  await pawld.until('it is on its next stage', async () => (await row(id)).stage === 'ship');
  await expect(panel(page)).toHaveCount(0);
  await expect(page.locator('.lines')).toContainText('the numbers are right');
  await other.close();
});

test('one rejects, with a reason, and the task is blocked', async ({ page }) => {
  const id = await asked('APP-2');
  await signIn(page, 'ada', `#/task/${id}`);
  await panel(page).getByRole('button', { name: 'Reject' }).click();
  await dialog(page).getByRole('button', { name: 'Reject' }).click();
  await expect(dialog(page).getByRole('alert')).toContainText('Say why');
  await dialog(page).getByRole('textbox').fill('no tests');
  await dialog(page).getByRole('button', { name: 'Reject' }).click();
  await pawld.until('it is blocked', async () => (await row(id)).blocked !== null);
  await expect(panel(page)).toContainText('rejected');
  await expect(panel(page)).toContainText('no tests');
  await expect(panel(page).getByRole('button')).toHaveCount(0);
});

test('those whom the gate does not name, and the one who submitted it, are told so', async ({ page }) => {
  const id = await asked('APP-3', 'ada');
  await signIn(page, 'eve', `#/task/${id}`);
  await expect(panel(page)).toContainText('You are token:eve, whom the gate does not name.');
  await expect(panel(page).getByRole('button')).toHaveCount(0);
  await page.goto(`${pawld.base}#/approvals`);
  await expect(page.getByRole('region', { name: 'Waiting for you' })).toContainText('Nothing waits for your word');
  await expect(page.getByRole('region', { name: 'Waiting for others, or answered' })).toContainText('APP-3');
  const other = await page.context().newPage();
  await signIn(other, 'ada', `#/task/${id}`);
  await expect(panel(other)).toContainText('You submitted this task, so another has to approve it.');
  await expect(panel(other).getByRole('button', { name: 'Approve' })).toHaveCount(0);
  await expect(panel(other).getByRole('button', { name: 'Reject' })).toBeVisible();
  await other.close();
});

test('answer to what is no longer so is refused, with a way on', async ({ page }) => {
  const late = async (button: 'Approve' | 'Reject', item: string, meanwhile: (id: number) => Promise<unknown>) => {
    const id = await asked(item);
    await page.goto(`${pawld.base}#/task/${id}`);
    await panel(page).getByRole('button', { name: button }).click();
    await meanwhile(id);
    await dialog(page).getByRole('textbox').fill('late');
    await dialog(page).getByRole('button', { name: button }).click();
    await expect(dialog(page).getByRole('alert')).toContainText('pawld refused this');
    await expect(dialog(page).getByRole('textbox')).toHaveValue('late');
    return dialog(page).getByRole('alert');
  };
  const first = await asked('APP-4');
  await signIn(page, 'ada', `#/task/${first}`);
  await expect(panel(page)).toBeVisible();
  await expect(await late('Approve', 'APP-5', (id) => say('ada', id, true))).toContainText(
    'You may still reject it, until its crossing begins.',
  );
  await expect(await late('Approve', 'APP-6', (id) => say('grace', id, false))).toContainText(
    'rejected by token:grace',
  );
  await expect(
    await late('Approve', 'APP-7', async (id) => {
      await say('grace', id, true);
      await say('linus', id, true);
      await pawld.until('it moved', async () => (await row(id)).stage === 'ship');
    }),
  ).toContainText('The task has moved on since you looked.');
});

test('what is stuck because it waits for people leads to where they answer', async ({ page }) => {
  const id = await asked('APP-8');
  await signIn(page, 'ada', '#/stuck');
  const stuck = page.getByRole('row').filter({ hasText: 'APP-8' });
  await expect(stuck).toContainText('approval');
  await stuck.getByRole('link', { name: 'Look at it, and answer' }).click();
  await expect(page).toHaveURL(`${pawld.base}#/task/${id}`);
  await expect(panel(page).getByRole('button', { name: 'Approve' })).toBeVisible();
});

test('every size has its layout', async ({ page }) => {
  const id = await asked('APP-9');
  await say('grace', id, true);
  await signIn(page, 'ada', '#/approvals');
  await expect(page.getByRole('region', { name: 'Waiting for you' })).toContainText('APP-9');
  await expectGoodLooks(page, 'approvals');
  await page.goto(`${pawld.base}#/task/${id}`);
  await expect(panel(page)).toBeVisible();
  await expectGoodLooks(page, 'task that waits');
  await panel(page).getByRole('button', { name: 'Approve' }).click();
  await expectGoodLooks(page, 'dialog of an answer');
  // In the past, nothing can be answered.
  await page.keyboard.press('Escape');
  await page.keyboard.press('p');
  await expect(page.getByText(/^Record \d+ of/)).toBeVisible();
  await expect(panel(page)).toBeVisible();
  await expect(panel(page).getByRole('button')).toHaveCount(0);
});
