import { test } from '@playwright/test';
import { busy, Pawld } from '/tmp/wt/page/daemon/page/tests/browser/pawld';
const out = process.env.SHOTS ?? '/tmp/page-dev/shots';
test('shots', async ({ browser }) => {
  test.setTimeout(200000);
  const pawld = new Pawld();
  await pawld.start();
  const ids = await busy(pawld);
  const only = process.env.ONLY?.split(',');
  try {
    for (const [width, height] of [[1280, 800], [390, 844], [2560, 1440]] as const) {
      for (const scheme of ['light', 'dark'] as const) {
        if (process.env.SIZES && !process.env.SIZES.split(',').includes(`${width}${scheme}`)) continue;
        const page = await browser.newPage({ viewport: { width, height }, colorScheme: scheme });
        page.on('console', (m) => { if (m.type() === 'error' || m.type() === 'warning') console.log(width, m.text()); });
        page.on('pageerror', (e) => console.log('ERR', e.message));
        for (const [name, hash] of [['board', '#/board'], ['queue', '#/queue'], ['leases', '#/leases'], ['workers', '#/workers'], ['settings', '#/settings'], ['stuck', '#/stuck'], ['task', `#/task/${ids.blocked}`], ['gate', `#/task/${ids.gate}`], ['contested', `#/task/${ids.contested}`]]) {
          if (only && !only.includes(name)) continue;
          await page.goto(pawld.base + hash);
          await page.waitForTimeout(900);
          await page.screenshot({ path: `${out}/${name}-${width}-${scheme}.png`, fullPage: width === 390 });
        }
        await page.close();
      }
    }
  } finally { await pawld.end(); }
});
