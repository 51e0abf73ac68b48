// The page of the calls, at /api: what it lists, how it tries a call, and what it does not send.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { expectGoodLooks } from './looks';
import { Pawld } from './pawld';
import { expect, test } from './watched';

let pawld: Pawld;
const tokens: { [name: string]: string } = {};

test.beforeAll(async () => {
  pawld = new Pawld();
  const file = join(pawld.folder, 'tokens');
  for (const [name, role] of [
    ['ada', 'operate'],
    ['grace', 'read'],
  ] as const) {
    const said = execFileSync(
      join(process.env['PAWL_BIN'] ?? '', 'pawl'),
      ['tokens', 'add', name, '--role', role, '--file', file],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    tokens[name] = said.trim().split(/\s+/).at(-1) ?? '';
  }
  pawld.options.push('--tokens', file);
  await pawld.start();
});
test.afterAll(() => pawld.end());

const as = (name: string): Record<string, string> => ({ Authorization: `Bearer ${tokens[name] ?? ''}` });
const form = (page: Page) => page.getByRole('complementary', { name: 'Try it' });
const body = (page: Page) => page.getByRole('region', { name: 'Body of the answer' });
const list = (page: Page) => page.getByRole('navigation', { name: 'Calls' });

async function open(page: Page, name: string | null, call: string): Promise<void> {
  await page.addInitScript(
    (token) => {
      if (token !== null) sessionStorage.setItem('pawl.token', token);
    },
    name === null ? null : (tokens[name] ?? ''),
  );
  await page.goto(`${pawld.base}api${call === '' ? '' : `#${call}`}`);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
}

test('every call of the document is listed in its group, and the filter finds some', async ({ page }) => {
  await open(page, 'ada', '');
  const { paths } = await pawld.ask('GET', 'openapi.json');
  const count = Object.values(paths).reduce((sum: number, methods) => sum + Object.keys(methods as object).length, 0);
  await expect(list(page).getByRole('link')).toHaveCount(count);
  await expect(page.getByText(`${count} calls`)).toBeVisible();
  await page.keyboard.press('/');
  await page.keyboard.type('/v1/leases delete');
  await expect(list(page).getByRole('link')).toHaveCount(2);
  await page.keyboard.type(' nothing');
  await expect(page.getByText('No call has all of these words')).toBeVisible();
  await page.keyboard.press('Control+A');
  await page.keyboard.type('note');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1 })).toContainText('/v1/tasks/{id}/note');
  await expect(page.getByText('needs the role work')).toBeVisible();
});

test('way there from the board, and back', async ({ page }) => {
  await page.addInitScript((token) => sessionStorage.setItem('pawl.token', token), tokens['ada'] ?? '');
  await page.goto(pawld.base);
  await expect(page.getByText('live', { exact: true })).toBeVisible();
  await page.getByRole('link', { name: 'API' }).click();
  await expect(page.getByText('Calls from here have the role operate, of the token ada.')).toBeVisible();
  await page.keyboard.press('g');
  await page.keyboard.press('q');
  await expect(page.getByRole('heading', { level: 1, name: 'Queue' })).toBeVisible();
  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await expect(page).toHaveURL(`${pawld.base}api`);
  await page.getByRole('link', { name: 'Stuck', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Stuck' })).toBeVisible();
});

test('call that changes something is sent at the second press, with what was typed', async ({ page }) => {
  await open(page, 'ada', 'post_v1_tasks');
  const { seq } = await pawld.ask('GET', 'readyz');
  await form(page).getByRole('button', { name: 'Try it' }).click();
  await expect(form(page).getByRole('alert')).toContainText('Press again to send it');
  // A change in between asks once more.
  await form(page).getByRole('textbox', { name: 'Body' }).fill('{"work_item":"API-1","repo":');
  await expect(form(page).getByRole('alert')).toHaveCount(0);
  await form(page).getByRole('button', { name: 'Try it' }).click();
  await expect(form(page).getByRole('alert')).toContainText('The body is not JSON');
  expect((await pawld.ask('GET', 'readyz')).seq).toBe(seq);
  await form(page).getByRole('textbox', { name: 'Body' }).fill('{"work_item":"API-1","repo":"shop"}');
  await form(page).getByLabel('Pawl-Actor').fill("it's me");
  await expect(page.getByRole('region', { name: 'Line for a shell' })).toContainText(
    `curl -sS -X POST -H "Authorization: Bearer $PAWL_TOKEN" -H 'Pawl-Actor: it'\\''s me' -H 'Content-Type: application/json' --data-raw '{"work_item":"API-1","repo":"shop"}' ${pawld.base}v1/tasks`,
  );
  await form(page).getByRole('button', { name: 'Try it' }).click();
  await form(page).getByRole('button', { name: 'Send POST' }).click();
  await expect(form(page).getByText('201')).toBeVisible();
  await expect(body(page)).toContainText('"work_item": "API-1"');
  const { items } = await pawld.ask('GET', 'v1/tasks/1/history', undefined, as('grace'));
  expect(items[0]).toMatchObject({ type: 'TaskCreated', actor: "it's me", principal: 'token:ada' });
});

test('read is sent at once; what pawld refuses is shown as it came', async ({ page }) => {
  await open(page, 'grace', 'get_v1_tasks_id');
  await form(page).getByLabel('id', { exact: true }).fill('x');
  await form(page).getByRole('button', { name: 'Try it' }).click();
  await expect(form(page).getByRole('alert')).toContainText('id has to be an integer');
  await form(page).getByLabel('id', { exact: true }).fill('999999');
  await form(page).getByRole('button', { name: 'Try it' }).click();
  await expect(form(page).getByText('404')).toBeVisible();
  await expect(body(page)).toContainText('"code": "unknown_task"');
  await expect(form(page).getByText(/Not Found · took \d/)).toBeVisible();
  await form(page).getByText('Headers').click();
  await expect(form(page).locator('.headers')).toContainText('application/json');
});

test('token that may only read is told so, and sends nothing', async ({ page }) => {
  await open(page, 'grace', 'post_v1_tasks');
  await expect(form(page).getByText('The token grace has the role read.')).toBeVisible();
  await expect(form(page).getByRole('button', { name: 'Try it' })).toBeDisabled();
});

test('without a token all can be read, and a call asks for one', async ({ page }) => {
  await open(page, null, 'get_v1_me');
  await expect(form(page).getByText('This pawld asks for a token.')).toBeVisible();
  await form(page)
    .getByLabel('Token')
    .fill(tokens['grace'] ?? '');
  await page.keyboard.press('Enter');
  await form(page).getByRole('button', { name: 'Try it' }).click();
  await expect(body(page)).toContainText('"token": "grace"');
});

test('stream is shown up to its first records, or until it is stopped', async ({ page }) => {
  await open(page, 'grace', 'get_v1_events');
  await form(page).getByLabel('Answer as').selectOption('text/event-stream');
  await form(page).getByLabel('after').fill('999999');
  await form(page).getByRole('button', { name: 'Try it' }).click();
  await expect(form(page).getByText('the answer is coming in')).toBeVisible();
  await form(page).getByRole('button', { name: 'Stop' }).click();
  await expect(form(page).getByText('Cut off')).toBeVisible();
  for (let at = 0; at < 25; at++) await pawld.ask('POST', 'v1/repos', { repo: `r${at}`, url: null }, as('ada'));
  await form(page).getByLabel('after').fill('');
  await form(page).getByRole('button', { name: 'Try it' }).click();
  await expect(form(page).getByText('Cut off')).toBeVisible();
  await expect(form(page).getByRole('button', { name: 'Stop' })).toHaveCount(0);
  expect((await body(page).textContent())?.match(/^data:/gm)).toHaveLength(20);
});

test('call that is not there gets a sentence, and every size its layout', async ({ page }) => {
  await open(page, 'ada', '%3Cscript%3E');
  await expect(page.getByText('There is no call <script>')).toBeVisible();
  await expectGoodLooks(page, 'list');
  await page.goto(`${pawld.base}api#get_v1_tasks_id_history`);
  await page.locator('.answer summary').nth(1).click();
  await page.getByText('list of Record').click();
  await form(page).getByLabel('id', { exact: true }).fill('1');
  await form(page).getByRole('button', { name: 'Try it' }).click();
  await expect(form(page).getByText(/took/)).toBeVisible();
  await expectGoodLooks(page, 'a call');
});
