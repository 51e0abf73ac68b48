// What every operation answers alike, whatever it does. Each is really asked.
import { ready } from './ready';
import type { Document, Operation } from './document';
import type { Request } from './wire';
import type { Exchange, Who, World } from './world';

type Json = Record<string, any>;

export interface Case {
  name: string;
  status: number;
  /// The error's code, if it is known.
  code?: string;
  run: (world: World) => Promise<Exchange>;
}

export const isWrite = (operation: Operation): boolean => operation.method !== 'GET';
export const isDelivery = (operation: Operation): boolean => operation.path.startsWith('/webhooks/');
/// Does the daemon want a token for it?
export const isGuarded = (operation: Operation): boolean => operation.said['security'] === undefined;
const parametersOf = (operation: Operation, place: string): Json[] =>
  (operation.said['parameters'] as Json[]).filter((each) => each['in'] === place);

/// The request that the document itself gives as an example.
export function example(operation: Operation): Request {
  const inPath = parametersOf(operation, 'path')[0];
  const query = parametersOf(operation, 'query')
    .filter((each) => each['required'])
    .map((each) => `${each['name']}=${encodeURIComponent(each['example'])}`);
  const path =
    (inPath ? operation.path.replace(/\{[^}]*\}/, encodeURIComponent(inPath['example'])) : operation.path) +
    (query.length > 0 ? `?${query.join('&')}` : '');
  const body = operation.said['requestBody']?.content['application/json'];
  return { method: operation.method, path, ...(body && { body: body.example ?? {} }) };
}

function withQuery(request: Request, query: string): Request {
  const sign = request.path.includes('?') ? '&' : '?';
  return { ...request, path: `${request.path}${sign}${query}` };
}
const withHeaders = (request: Request, headers: Record<string, string>): Request => ({
  ...request,
  headers: { ...request.headers, ...headers },
});

/// A value that a schema does not allow.
function wrong(schema: Json, document: Document): unknown {
  if (schema['anyOf']) return wrong(schema['anyOf'][0], document);
  if (schema['enum']) return 'not-one-of-these';
  if (schema['maxLength'] !== undefined) return 'x'.repeat(schema['maxLength'] + 1);
  if (schema['maximum'] !== undefined) return schema['maximum'] + 1;
  if (schema['minimum'] !== undefined) return schema['minimum'] - 1;
  return schema['type'] === 'string' ? 7 : 'not of this type';
}

/// Each way in which a request for the operation can be malformed: each field wrong, too long or too large, each
/// required one missing, an unknown one.
function malformed(operation: Operation, document: Document): Case[] {
  const cases: Case[] = [];
  const add = (name: string, change: (request: Request) => Request, unknowable?: string): void => {
    cases.push({
      name,
      status: 400,
      code: 'malformed',
      run: async (world) =>
        world.call(change(await ready[operation.name]!(world)), unknowable === undefined ? {} : { unknowable }),
    });
  };
  add(
    'a transfer coding that is not known',
    (request) => withHeaders({ ...request, body: undefined }, { 'Transfer-Encoding': 'gzip' }),
    'it is about HTTP',
  );
  const queries = parametersOf(operation, 'query');
  if (queries.length > 0) add('an unknown query parameter', (request) => withQuery(request, 'nonsense=1'));
  for (const { name, schema } of queries) {
    const isAnyText = schema.type === 'string' && !schema.enum;
    if (isAnyText) continue;
    const drop = (request: Request): string =>
      request.path.replace(new RegExp(`([?&])${name}=[^&]*&?`), '$1').replace(/[?&]$/, '');
    add(`?${name} is wrong`, (request) =>
      withQuery({ ...request, path: drop(request) }, `${name}=${encodeURIComponent(String(wrong(schema, document)))}`),
    );
    if (queries.find((each) => each['name'] === name)!['required'])
      add(`?${name} is missing`, (request) => ({ ...request, path: drop(request) }));
  }
  if (operation.said['parameters'].some((each: Json) => each['$ref']?.endsWith('/Actor'))) {
    add('an actor that is too long', (request) => withHeaders(request, { 'Pawl-Actor': 'x'.repeat(33) }));
  }
  const body = operation.said['requestBody']?.content['application/json'].schema as Json | undefined;
  if (!body || isDelivery(operation)) return cases;
  add('a body that is not JSON', (request) => ({ ...request, body: '{' }));
  add('a body that is a list', (request) => ({ ...request, body: [] }));
  const change =
    (name: string, value: unknown) =>
    (request: Request): Request => ({ ...request, body: { ...(request.body as Json), [name]: value } });
  if (body['additionalProperties'] === false) add('an unknown field', change('nonsense', 1));
  for (const [name, schema] of Object.entries<Json>(body['properties'] ?? {}))
    add(`${name} is wrong`, change(name, wrong(schema, document)));
  for (const name of (body['required'] as string[] | undefined) ?? [])
    add(`${name} is missing`, change(name, undefined));
  return cases;
}

/// With a sender's boot, or an owner's, that is not one.
function withBoot(request: Request, boot: string): Request {
  const body = request.body as Json | undefined;
  const changed = body?.['owner']
    ? { ...request, body: { ...body, owner: { ...body['owner'], boot_id: boot } } }
    : request;
  return withHeaders(changed, { 'Pawl-Boot': boot });
}

/// Who may not do it: a token of the next lower role, or one that is limited.
function forbiddenFor(operation: Operation): Who {
  const needed = /role `(\w+)`/.exec(operation.said['description'] ?? '')?.[1];
  return needed === 'operate' ? 'worker' : needed === 'work' ? 'reader' : 'narrow';
}

/// Whether the request that ready.ts makes is answered 201.
const startsSomething = (operation: Operation): boolean => '201' in operation.said['responses'];

/// The cases of an operation that follow from the document alone. What is asked of daemons of their own is in
/// elsewhere.ts.
export function casesEverywhere(operation: Operation, document: Document): Case[] {
  const { name } = operation;
  const made = ready[name];
  if (!made) return [];
  const usual = startsSomething(operation) ? 201 : 200;
  const cases: Case[] = [
    { name: 'as it should be', status: usual, run: async (world) => world.call(await made(world)) },
  ];
  const add = (what: string, status: number, run: Case['run']): void => {
    cases.push({ name: what, status, ...(/^[a-z_]+$/.test(what) && { code: what }), run });
  };
  const documented = (code: string, status: number): boolean =>
    document.codes(operation, String(status)).includes(code);

  cases.push(...malformed(operation, document));
  const parameters = operation.said['parameters'] as Json[];
  if (parameters.some((each) => each['name'] === 'at')) {
    add('of the past', usual, async (world) => {
      const request = await made(world);
      return world.call(withQuery(request, `at=${(await world.get('/queue')).seq}`));
    });
    add('beyond_end', 404, async (world) => world.call(withQuery(await made(world), 'at=9000000000000000')));
  }
  if (parameters.some((each) => each['in'] === 'path' && each['name'] === 'id' && each['schema'].type === 'integer')) {
    add(operation.path.startsWith('/v1/jobs') ? 'unknown_job' : 'unknown_task', 404, async (world) => {
      const request = await made(world);
      return world.call({ ...request, path: request.path.replace(/\/\d+/, '/999999999') });
    });
  }
  if (isGuarded(operation)) {
    add('unauthorized', 401, (world) => world.call(example(operation), { as: 'stranger' }));
    if (documented('forbidden', 403))
      add('forbidden', 403, async (world) => world.call(example(operation), { as: forbiddenFor(operation) }));
  }
  if (isWrite(operation) && !isDelivery(operation)) {
    if (documented('unknown_boot', 404))
      add('unknown_boot', 404, async (world) => world.call(withBoot(await made(world), 'never-heard-of')));
    if (documented('stale_boot', 409))
      add('stale_boot', 409, async (world) => world.call(withBoot(await made(world), await world.endedBoot())));
    const hasBoot = parameters.some((each) => each['$ref']?.endsWith('/Boot'));
    if (hasBoot && documented('not_yours', 409))
      add('not_yours', 409, async (world) => world.call(withBoot(await made(world), await world.boot('worker'))));
    if (documented('idempotency_mismatch', 422))
      add('idempotency_mismatch', 422, async (world) =>
        world.call(withHeaders(await made(world), { 'Idempotency-Key': world.usedKey })),
      );
  }
  const long = 'x'.repeat(17 * 1024);
  add('headers_too_large', 431, (world) => world.call(withHeaders(example(operation), { 'X-Long': long })));
  add('target_too_long', 414, (world) => {
    const request = example(operation);
    const sent = world.signed(withQuery(request, long), 'operator');
    return world.call(request, {
      bytes: Buffer.from(`${sent.method} ${sent.path} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
    });
  });
  add('body_too_large', 413, (world) => {
    const sent = world.signed(example(operation), 'operator');
    return world.call(sent, {
      bytes: Buffer.from(`${sent.method} ${sent.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n`),
    });
  });
  add('malformed', 417, (world) => world.call(withHeaders(example(operation), { Expect: 'the-unexpected' })));
  return cases;
}
