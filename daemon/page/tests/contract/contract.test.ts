// GET /openapi.json against a real pawld: each operation in each status that the document gives it, and nothing else.
// The list is the document's: a status without a case fails, and so does a case for a status that is not there.
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, describe, expect, test } from 'vitest';
import { casesOf } from './cases';
import { casesEverywhere, type Case } from './everywhere';
import { Elsewhere } from './elsewhere';
import { send, type Request } from './wire';
import { World } from './world';

const world = new World();
await world.start();
const { document } = world;
const elsewhere = new Elsewhere(world);
afterAll(async () => {
  await elsewhere.end();
  await world.daemon.end();
});

test('the document is valid OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(document.said));
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
});

const cases = casesOf(document);
const all: { operation: string; case: Case }[] = document.operations.flatMap((operation) =>
  [...casesEverywhere(operation, document), ...(cases[operation.name] ?? []), ...elsewhere.cases(operation)].map(
    (each) => ({ operation: operation.name, case: each }),
  ),
);

/// What cannot be provoked from outside.
const unprovoked: Record<string, string> = {
  stepped_down: 'takes a log that two daemons can write, and that of a data folder is locked; the unit tests have one',
  story_too_long: 'takes half a million records',
  log_too_long: 'takes an incident of 64 MiB',
};

describe.each(document.pairs())('%s', (pair) => {
  const mine = all.filter(({ operation, case: { status } }) => `${operation} ${status}` === pair);
  const { name, status } = document.pair(pair);
  const codes = document.codes(document.named(name), status);
  const cannotBe = codes.length > 0 && codes.every((code) => unprovoked[code]);
  if (mine.length === 0 && cannotBe) test.skip(codes.map((code) => unprovoked[code]).join(', '), () => {});
  if (mine.length === 0 && !cannotBe) test('has a case', () => expect.fail(`no case provokes ${pair}`));
  for (const { operation, case: each } of mine) {
    test(each.name, async () => {
      const { operation: asked, answer } = await each.run(world);
      expect(asked.name).toBe(operation);
      expect(answer.status, answer.text).toBe(each.status);
      if (each.code) expect(JSON.parse(answer.text).error.code).toBe(each.code);
    });
  }
});

test('each case is for a status that the document has', () => {
  const pairs = new Set(document.pairs());
  const others = all.filter(({ operation, case: { status } }) => !pairs.has(`${operation} ${status}`));
  expect(others.map(({ operation, case: { status, name } }) => `${operation} ${status} ${name}`)).toEqual([]);
});

test('each error that the document names is provoked', () => {
  for (const [code, reason] of Object.entries(unprovoked)) console.log(`not provoked: ${code}: ${reason}`);
  const provoked = new Set(all.map(({ operation, case: { status, code } }) => `${operation} ${status} ${code}`));
  const named = document.operations.flatMap((operation) =>
    Object.keys(operation.said['responses']).flatMap((status) =>
      document.codes(operation, status).map((code) => ({ code, name: `${operation.name} ${status} ${code}` })),
    ),
  );
  const counts = { operations: document.operations.length, statuses: document.pairs().length, errors: named.length };
  console.log(JSON.stringify({ ...counts, cases: all.length }));
  expect(named.filter(({ code, name }) => !provoked.has(name) && !unprovoked[code])).toEqual([]);
  expect(Object.keys(unprovoked).filter((code) => !named.some((each) => each.code === code))).toEqual([]);
});

describe('a path takes only the methods that the document gives it', () => {
  for (const [path, methods] of Object.entries<object>(document.said['paths'])) {
    const taken = Object.keys(methods).map((method) => method.toUpperCase());
    if (taken.includes('GET')) taken.push('HEAD');
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'PUT', 'PATCH'].filter((each) => !taken.includes(each))) {
      test(`${method} ${path}`, async () => {
        const { status, headers, text } = await send(
          world.daemon.tcp,
          world.signed({ method, path: path.replace(/\{[^}]*\}/, '12') }, 'operator'),
        );
        expect(status).toBe(405);
        expect(headers['allow']?.split(', ').sort()).toEqual([...taken].sort());
        if (method !== 'HEAD') expect(JSON.parse(text).error.code).toBe('method_not_allowed');
      });
    }
  }
});

test('each item of a batch is what the request would have been answered alone', async () => {
  const task = await world.submit();
  const requests: Request[] = [
    { method: 'POST', path: `/v1/tasks/${task}/note`, body: { text: 'in a batch' } },
    { method: 'GET', path: `/v1/tasks/${task}` },
    { method: 'POST', path: `/v1/tasks/${task}/transition`, body: { to: 'done', expected_version: 1 } },
    { method: 'POST', path: '/v1/jobs/claim', body: { agents: ['nobody'], owner: world.owner(await world.boot()) } },
  ];
  const { items } = await world.ok({ method: 'POST', path: '/v1/batch', body: { requests } });
  expect(items.map((item: { status: number }) => item.status)).toEqual([200, 200, 409, 204]);
  requests.forEach((request, index) => {
    const { status, headers, body } = items[index];
    const type = body === null ? {} : { 'content-type': 'application/json' };
    world.checked(request, {
      status,
      headers: { ...type, ...headers },
      text: body === null ? '' : JSON.stringify(body),
    });
  });
});

test('each line of the log is a record', async () => {
  let after = 0;
  for (let pages = 0; pages < 3; pages++) {
    const { answer } = await world.call({ method: 'GET', path: `/v1/events?after=${after}&limit=10000` });
    for (const line of answer.text.split('\n').filter(Boolean)) {
      expect(document.mismatches('/components/schemas/Record', JSON.parse(line), 'record')).toEqual([]);
    }
    after = Number(answer.headers['pawl-next']);
  }
  expect(after).toBeGreaterThan(1000);
});
