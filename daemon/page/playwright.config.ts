import { defineConfig } from '@playwright/test';

// Debian's Chromium; Playwright downloads no browser of its own.
export default defineConfig({
  testDir: 'tests/browser',
  outputDir: process.env['PAWL_PAGE_RESULTS'] ?? 'test-results',
  // Into the sources: they are kept there.
  snapshotPathTemplate: `${process.env['PAWL_PAGE_PICTURES'] ?? 'tests/browser/pictures'}/{arg}{ext}`,
  // Generous: on a busy machine a browser is ten times as slow.
  timeout: 300_000,
  expect: { timeout: 60_000 },
  workers: 2,
  fullyParallel: false,
  forbidOnly: true,
  retries: 0,
  reporter: [['list']],
  use: {
    browserName: 'chromium',
    headless: true,
    viewport: { width: 1280, height: 800 },
    launchOptions: { executablePath: process.env['PAWL_CHROMIUM'] ?? '/usr/bin/chromium', args: ['--no-sandbox'] },
  },
});
