// With tokens: signing in, what each may see and do, and what the record says. And what the browser is told to forbid.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { Pawld } from './pawld';
import { expect, test } from './watched';

let pawld: Pawld;
let file = '';
const tokens: { [name: string]: string } = {};
let task = 0;

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
  file = join(pawld.folder, 'tokens');
  addToken('ada', '--role', 'operate');
  addToken('grace', '--role', 'read');
  addToken('narrow', '--role', 'operate', '--repos', 'depot');
  pawld.options.push('--tokens', file);
  await pawld.start();
  task = (await pawld.ask('POST', 'v1/tasks', { work_item: 'ACC-1', repo: 'shop' }, as('ada'))).task.id;
  await pawld.ask('POST', 'v1/tasks', { work_item: 'ACC-2', repo: 'depot' }, as('ada'));
});
test.afterAll(() => pawld.end());

async function signIn(page: Page, name: string, hash = ''): Promise<void> {
  await page.goto(pawld.base + hash);
  await page.getByLabel('Token').fill(tokens[name] ?? '');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByText('live', { exact: true })).toBeVisible();
}

test('page asks for a token, and says what is wrong with one', async ({ page }) => {
  await page.goto(pawld.base);
  await expect(page.getByText('This pawld asks for a token.')).toBeVisible();
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toContainText('Paste a token first');
  await page.getByLabel('Token').fill('two words');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toContainText('A token is one word');
  await page.getByLabel('Token').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toContainText('pawld does not know this token');
  await page.getByLabel('Token').fill(tokens['ada'] ?? '');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('link').filter({ hasText: 'ACC-1' })).toBeVisible();
});

test('token is in the tab alone', async ({ page, context }) => {
  await signIn(page, 'ada');
  await page.reload();
  await expect(page.getByText('ACC-1')).toBeVisible();
  expect(await context.cookies()).toEqual([]);
  expect(await page.evaluate(() => JSON.stringify({ ...localStorage }))).toBe('{}');
  expect(page.url()).not.toContain(tokens['ada'] ?? 'x');
  const other = await context.newPage();
  await other.goto(pawld.base);
  await expect(other.getByText('This pawld asks for a token.')).toBeVisible();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByText('You have signed out.')).toBeVisible();
  await page.reload();
  await expect(page.getByText('This pawld asks for a token.')).toBeVisible();
});

test('token that may only read sees no button', async ({ page }) => {
  await signIn(page, 'grace', `#/task/${task}`);
  await expect(page.getByText('grace (read)')).toBeVisible();
  await expect(page.locator('.lines')).toContainText('creates a task for ACC-1');
  await expect(page.getByRole('group', { name: 'Actions' })).toHaveCount(0);
  for (const hash of ['#/stuck', '#/leases', '#/holds']) {
    await page.goto(pawld.base + hash);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await expect(page.locator('main button')).toHaveCount(0);
  }
});

test('record bears the name of the token, not what the client claims', async ({ page }) => {
  await signIn(page, 'ada', `#/task/${task}`);
  await page.getByRole('button', { name: 'Add note' }).click();
  await expect(page.getByRole('dialog')).toContainText('Recorded as token:ada');
  await page.getByRole('dialog').getByRole('textbox').fill('by ada');
  await page.getByRole('dialog').getByRole('button', { name: 'Add note' }).click();
  await expect(page.locator('.lines')).toContainText('notes: by ada');
  const { items } = await pawld.ask('GET', `v1/tasks/${task}/history`, undefined, as('grace'));
  expect(items.at(-1)).toMatchObject({ type: 'TaskNote', principal: 'token:ada' });
});

test('narrow token sees what it covers, and a sentence where it may see nothing', async ({ page }) => {
  await signIn(page, 'narrow');
  await expect(page.getByRole('link').filter({ hasText: 'ACC-2' })).toBeVisible();
  await expect(page.getByText('ACC-1')).toHaveCount(0);
  await page.goto(`${pawld.base}#/settings`);
  await expect(page.getByRole('alert')).toContainText('limited (repos=depot)');
  await page.goto(`${pawld.base}#/task/${task}`);
  await expect(page.getByText(`There is no task ${task}`)).toBeVisible();
});

test('token that ends while the page is open leads to the sign-in', async ({ page }) => {
  addToken('brief', '--role', 'read');
  await pawld.reload();
  await pawld.until(
    'the token is known',
    async () => (await pawld.request('GET', 'v1/me', undefined, as('brief'))).status === 200,
  );
  await signIn(page, 'brief');
  execFileSync(join(process.env['PAWL_BIN'] ?? '', 'pawl'), ['tokens', 'revoke', 'brief', '--file', file]);
  await pawld.reload();
  await pawld.until(
    'the token is gone',
    async () => (await pawld.request('GET', 'v1/me', undefined, as('brief'))).status === 401,
  );
  await page.goto(`${pawld.base}#/queue`);
  await expect(page.getByText('The token is no longer valid')).toBeVisible();
  await page.getByLabel('Token').fill(tokens['grace'] ?? '');
  await page.keyboard.press('Enter');
  await expect(page.getByText('grace (read)')).toBeVisible();
});

test("policy forbids what is not the page's own", async ({ page }) => {
  const response = await page.goto(pawld.base);
  const policy = response?.headers()['content-security-policy'] ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
  const again = await page.request.get(pawld.base, { headers: { 'If-None-Match': response?.headers()['etag'] ?? '' } });
  expect(again.status()).toBe(304);
  const gone = await page.request.get(`${pawld.base}page/files/index-00000000.js`);
  expect(gone.status()).toBe(404);
  const ran = await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.injected = true';
    // The violation is expected here, and not the page's.
    document.addEventListener('securitypolicyviolation', () => {}, { once: true });
    document.body.append(script);
    return 'injected' in window;
  });
  expect(ran).toBe(false);
});
