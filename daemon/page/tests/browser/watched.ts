// A page that is watched: a script error, a violation of the policy or a request to anywhere else fails its test.
import { test as base, expect, type Page } from '@playwright/test';

const expected: RegExp[] = [
  /Failed to load resource/, // an answer that is not a success; the page shows what it says
  /ERR_CONNECTION/,
  /script was blocked|inline script violates/, // by the test that injects one
];

export function watch(page: Page): string[] {
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(`script error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    if (!expected.some((each) => each.test(message.text()))) problems.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'data:' && url.hostname !== '127.0.0.1') problems.push(`request to ${request.url()}`);
  });
  return problems;
}

export const test = base.extend<{ page: Page }>({
  page: async ({ page }, use) => {
    const problems = watch(page);
    await use(page);
    expect(problems).toEqual([]);
  },
});

export { expect };
