// Lighthouse's scores of every view, at a desk and on a phone. A flaw in accessibility or in best practices is a failure;
// the score of performance depends on the machine, and is only told.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from 'chrome-launcher';
import lighthouse from 'lighthouse';

const views = ['#/board', '#/queue', '#/approvals', '#/holds', '#/workers', '#/settings', '#/stuck', '#/task/1', 'api'];
/// The page is never still: its ages count on.
const loadMs = 10_000;
const wanted = process.argv.length > 2 ? process.argv.slice(2) : views;
const judged = ['accessibility', 'best-practices'];

/// Starts pawld on a port that the kernel chooses. Returns its address, and what ends it.
async function startPawld() {
  const folder = mkdtempSync(join(tmpdir(), 'pawl-lighthouse-'));
  const pawld = spawn(join(process.env.PAWL_BIN ?? '', 'pawld'), ['--data', folder, '--listen', '127.0.0.1:0']);
  const base = await new Promise((done, failed) => {
    let said = '';
    const listen = (piece) => {
      said += piece;
      const port = /serving on 127\.0\.0\.1 port (\d+)/.exec(said)?.[1];
      if (port) done(`http://127.0.0.1:${port}/`);
    };
    pawld.stdout.on('data', listen);
    pawld.stderr.on('data', listen);
    pawld.on('exit', () => failed(new Error(`pawld did not start:\n${said}`)));
  });
  const end = async () => {
    pawld.removeAllListeners('exit');
    const ended = new Promise((done) => pawld.once('exit', done));
    pawld.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  return { base, end };
}

async function fill(base) {
  const ask = async (path, body) => {
    const answer = await fetch(base + path, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  };
  for (let at = 1; at <= 40; at++)
    await ask('v1/tasks', { work_item: `SHOP-${at}`, repo: 'shop', branch: `shop-${at}` });
  await ask('v1/holds', { place: 'task:2', reason: 'not now' });
  await ask('v1/tasks/1/note', { text: 'a word' });
}

/// The scores from 0 to 100, and the audits that took a point from those that are judged.
async function scoresOf(address, formFactor) {
  // Each with a browser of its own: a second run in one finds no begin of its page.
  const chrome = await launch({
    chromePath: process.env.PAWL_CHROMIUM ?? '/usr/bin/chromium',
    chromeFlags: ['--headless=new', '--no-sandbox'],
  });
  try {
    const screen = formFactor === 'desktop' && { mobile: false, width: 1280, height: 800, deviceScaleFactor: 1 };
    const settings = {
      onlyCategories: ['performance', ...judged],
      formFactor,
      throttlingMethod: 'provided',
      maxWaitForLoad: loadMs,
      ...(screen && { screenEmulation: { ...screen, disabled: false } }),
    };
    const options = { port: chrome.port, output: 'json', logLevel: 'error' };
    const { lhr } = await lighthouse(address, options, { extends: 'lighthouse:default', settings });
    for (const warning of lhr.runWarnings) console.log(`  ${warning}`);
    if (lhr.runtimeError) throw new Error(`${address}: ${lhr.runtimeError.message}`);
    const scores = Object.entries(lhr.categories).map(([name, { score }]) => [
      name,
      score === null ? 'not known' : Math.round(score * 100),
    ]);
    const flaws = judged.flatMap((name) =>
      lhr.categories[name].auditRefs.flatMap(({ id, weight }) => {
        const { score, title } = lhr.audits[id];
        return weight > 0 && score !== null && score < 1 ? [`${id}: ${title}`] : [];
      }),
    );
    return { scores, flaws };
  } finally {
    chrome.kill();
  }
}

const pawld = await startPawld();
let isGood = true;
try {
  await fill(pawld.base);
  for (const view of wanted) {
    for (const formFactor of ['desktop', 'mobile']) {
      const { scores, flaws } = await scoresOf(pawld.base + view, formFactor);
      console.log(`${view} ${formFactor}: ${scores.map(([name, score]) => `${name} ${score}`).join(', ')}`);
      for (const flaw of flaws) console.log(`  ${flaw}`);
      isGood &&= flaws.length === 0;
    }
  }
} finally {
  await pawld.end();
}
process.exitCode = isGood ? 0 : 1;
