// The page of the calls: what it makes of pawld's document, of a form and of an answer.
import { describe, expect, it } from 'vitest';
import { answerTo, recordsMax, shownText, type Answered } from '../../src/reference/answer';
import {
  callsOf,
  groupsOf,
  proseOf,
  refusalFor,
  type Call,
  type Document,
  type Schema,
} from '../../src/reference/document';
import { curlOf, filledFor, laidOut, problemIn, requestOf } from '../../src/reference/request';
import { linesOf, shapeOf } from '../../src/reference/schema';
import type { Me } from '../../src/api/types';

const document: Document = {
  info: { version: '1' },
  paths: {
    '/v1/tasks/{id}/note': {
      post: {
        operationId: 'post_note',
        summary: 'Adds a note.',
        tags: ['tasks'],
        'x-role': 'work',
        'x-role-without-boot': 'operate',
        parameters: [
          { name: 'id', in: 'path', required: true, schema: { type: 'integer' }, example: 12 },
          { name: 'at', in: 'query', schema: { type: 'integer' }, example: 1 },
          { $ref: '#/components/parameters/Boot' },
          { $ref: '#/components/parameters/Nothing' },
        ],
        requestBody: {
          required: true,
          content: { 'application/json': { schema: { type: 'object' }, example: { text: "it's" } } },
        },
        responses: { '200': { content: { 'application/json': {} } } },
      },
    },
    '/v1/events': {
      get: {
        operationId: 'get_events',
        tags: ['the daemon'],
        'x-role': 'read',
        responses: { '200': { content: { 'application/jsonl': {}, 'text/event-stream': {} } } },
      },
    },
  },
  components: {
    parameters: { Boot: { name: 'Pawl-Boot', in: 'header' } },
    schemas: {
      Task: {
        type: 'object',
        properties: { note: { type: 'string' }, inner: { $ref: '#/components/schemas/Task' }, id: { type: 'integer' } },
        required: ['id'],
      },
      Error: {
        type: 'object',
        properties: {
          error: { type: 'object', properties: { code: { type: 'string' }, message: { type: 'string' } } },
        },
      },
    },
  },
};
const calls = callsOf(document);
const [note, events] = calls as [Call, Call];

describe('calls of the document', () => {
  it('have what they refer to, and leave out what is not there', () => {
    expect(note).toMatchObject({
      id: 'post_note',
      method: 'POST',
      role: 'work',
      roleWithoutBoot: 'operate',
      changes: true,
    });
    expect(note.parameters.map(({ name }) => name)).toEqual(['id', 'at', 'Pawl-Boot']);
    expect(events).toMatchObject({ changes: false, body: null, roleWithoutBoot: null, parameters: [] });
  });
  it('are filtered by every word, wherever it is', () => {
    expect(groupsOf(calls, '')).toEqual([
      ['tasks', [note]],
      ['the daemon', [events]],
    ]);
    expect(groupsOf(calls, ' NOTE post')).toEqual([['tasks', [note]]]);
    expect(groupsOf(calls, 'daemon read')).toEqual([['the daemon', [events]]]);
    expect(groupsOf(calls, 'note get')).toEqual([]);
  });
  it('say what role is missing, before it fails', () => {
    const me = (role: Me['role'], token: string | null = 'grace'): Me => ({
      role,
      token,
      principal: '',
      names: [],
      limits: null,
    });
    expect(refusalFor(note, me('read'), true)).toBe(
      'This call needs the role work. The token grace has the role read.',
    );
    expect(refusalFor(note, me('work'), false)).toContain('needs the role operate');
    expect(refusalFor(note, me('work'), false)).toContain('with a Pawl-Boot, work is enough');
    expect(refusalFor(note, me('work'), true)).toBeNull();
    expect(refusalFor(note, me('operate', null), false)).toBeNull();
    expect(refusalFor(events, me('read'), false)).toBeNull();
    expect(refusalFor(note, null, false)).toBeNull();
  });
});

describe('texts of the document', () => {
  it('have code, names of other documents, and no links within their own', () => {
    expect(proseOf('Says `a`: see [METRICS.md](METRICS.md). [Below](#output).')).toEqual([
      { text: 'Says ', isCode: false },
      { text: 'a', isCode: true },
      { text: ': see METRICS.md.', isCode: false },
    ]);
    expect(proseOf('')).toEqual([]);
    expect(proseOf('a ` b')).toEqual([{ text: 'a ` b', isCode: false }]);
  });
});

describe('schemas', () => {
  const words = (schema: Schema): string => shapeOf(document, schema).words;
  it('are said in words', () => {
    expect(words({})).toBe('any value');
    expect(words({ type: ['string', 'null'] })).toBe('text or null');
    expect(words({ type: 'string', maxLength: 200 })).toBe('text, at most 200 characters');
    expect(words({ type: ['string', 'null'], format: 'date-time' })).toBe('time or null');
    expect(words({ type: 'string', enum: ['a', 'b'] })).toBe('one of a, b');
    expect(words({ type: 'integer', minimum: 1, maximum: 10_000, default: 1000 })).toBe(
      'integer from 1 to 10,000; 1000 if not sent',
    );
    expect(words({ type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 3 })).toBe(
      'list of integer, from 1 to 3 of them',
    );
    expect(words({ anyOf: [{ type: ['string', 'null'] }, { type: 'null' }] })).toBe('text or null');
    expect(words({ anyOf: [{ $ref: '#/components/schemas/Task' }, { type: 'null' }] })).toBe('Task or null');
    expect(words({ type: ['integer', 'string', 'null'] })).toBe('integer or text or null');
    expect(words({ $ref: '#/components/schemas/Gone' })).toBe('Gone');
  });
  it('have their members, the required ones first, even if they refer to themselves', () => {
    const { inner } = shapeOf(document, { $ref: '#/components/schemas/Task' });
    const lines = linesOf(document, inner ?? {});
    expect(lines.map(({ name, isRequired }) => [name, isRequired])).toEqual([
      ['id', true],
      ['note', false],
      ['inner', false],
    ]);
    expect(shapeOf(document, lines[2]?.schema ?? {})).toMatchObject({ words: 'Task', inner: { type: 'object' } });
  });
  it('that are parts of one are shown as one', () => {
    const refusal: Schema = {
      allOf: [
        { $ref: '#/components/schemas/Error' },
        { properties: { error: { properties: { code: { type: 'string', enum: ['gone'] } } } } },
      ],
    };
    const error = linesOf(document, refusal)[0]?.schema ?? {};
    expect(linesOf(document, error).map(({ name, schema }) => [name, shapeOf(document, schema).words])).toEqual([
      ['code', 'gone'],
      ['message', 'text'],
    ]);
  });
});

describe('a form', () => {
  const filled = filledFor(note);
  it('begins with the examples of what has to be sent', () => {
    expect(filled.values).toEqual({ id: '12', at: '', 'Pawl-Boot': '' });
    expect(JSON.parse(filled.body)).toEqual({ text: "it's" });
    expect(filledFor(events).accept).toBe('application/jsonl');
  });
  it('says what is wrong with what was typed', () => {
    expect(problemIn(note, filled)).toBeNull();
    expect(problemIn(note, { ...filled, values: { ...filled.values, id: '' } })).toBe('id has to be filled in.');
    expect(problemIn(note, { ...filled, values: { ...filled.values, at: '1.5' } })).toBe('at has to be an integer.');
    expect(problemIn(note, { ...filled, body: '{"text":' })).toMatch(/^The body is not JSON/);
    expect(problemIn(note, { ...filled, body: ' ' })).toBe('The body has to be filled in.');
  });
  it('is one request, and the same line for a shell', () => {
    const hostile = { ...filled, values: { id: 'a/b ?', at: '7', 'Pawl-Boot': "b'1" } };
    const request = requestOf(note, hostile);
    expect(request).toMatchObject({
      method: 'POST',
      path: 'v1/tasks/a%2Fb%20%3F/note?at=7',
      headers: { 'Pawl-Boot': "b'1", 'Content-Type': 'application/json' },
    });
    expect(curlOf('http://h/', request, true)).toBe(
      `curl -sS -X POST -H "Authorization: Bearer $PAWL_TOKEN" -H 'Pawl-Boot: b'\\''1' -H 'Content-Type: application/json' ` +
        `--data-raw '{"text":"it'\\''s"}' 'http://h/v1/tasks/a%2Fb%20%3F/note?at=7'`,
    );
    expect(curlOf('http://h/', requestOf(events, { values: {}, body: '', accept: 'text/event-stream' }), false)).toBe(
      "curl -sS -H 'Accept: text/event-stream' -N http://h/v1/events",
    );
  });
});

describe('JSON', () => {
  it('gets a line for each member, and keeps its numbers as they are', () => {
    expect(laidOut('{"digest":18446744073709551615,"a":[],"b":[1,{"c":"x, {y}: \\"z\\""}],"d":{}}')).toBe(
      '{\n  "digest": 18446744073709551615,\n  "a": [],\n  "b": [\n    1,\n    {\n      "c": "x, {y}: \\"z\\""\n    }\n  ],\n  "d": {}\n}',
    );
    expect(laidOut('null')).toBe('null');
    expect(laidOut('')).toBe('');
  });
});

async function answered(response: Response, signal = new AbortController().signal): Promise<Answered[]> {
  const told: Answered[] = [];
  let at = 0;
  await answerTo({
    base: 'http://h/pawl/',
    request: { method: 'GET', path: 'v1/events', headers: {}, body: null },
    token: 'secret',
    signal,
    tell: (each) => told.push(each),
    now: () => (at += 10),
    send: async (url, init) => {
      expect(url).toBe('http://h/pawl/v1/events');
      expect((init?.headers as { [name: string]: string })['Authorization']).toBe('Bearer secret');
      return response;
    },
  });
  return told;
}

describe('an answer', () => {
  it('is told of at once, and again when all of it is there', async () => {
    const told = await answered(
      new Response('{"a":1}', { status: 404, headers: { 'Content-Type': 'application/json' } }),
    );
    expect(told.map(({ status, text, hasEnded }) => [status, text, hasEnded])).toEqual([
      [404, '', false],
      [404, '{"a":1}', true],
    ]);
    expect(told.at(-1)?.ms).toBe(20);
    expect(shownText(told.at(-1) as Answered)).toBe('{\n  "a": 1\n}');
  });
  it('that is a stream is cut off behind its first records', async () => {
    let isCancelled = false;
    let seq = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (to) =>
        to.enqueue(new TextEncoder().encode([1, 2, 3].map(() => `id: ${++seq}\ndata: {"seq":${seq}}\n\n`).join(''))),
      cancel: () => void (isCancelled = true),
    });
    const last = (await answered(new Response(endless, { headers: { 'Content-Type': 'text/event-stream' } }))).at(-1);
    expect(last).toMatchObject({ isCut: true, hasEnded: true });
    expect(last?.text.match(/data:/g)).toHaveLength(recordsMax);
    expect(isCancelled).toBe(true);
  });
  it('that is stopped keeps what had come', async () => {
    const stopper = new AbortController();
    let isFirst = true;
    const slow = new ReadableStream<Uint8Array>({
      pull: (to) => {
        if (isFirst) {
          isFirst = false;
          return to.enqueue(new TextEncoder().encode('data: 1\n\n'));
        }
        stopper.abort();
        to.error(new DOMException('stopped', 'AbortError'));
      },
    });
    const told = await answered(
      new Response(slow, { headers: { 'Content-Type': 'text/event-stream' } }),
      stopper.signal,
    );
    expect(told.at(-1)).toMatchObject({ text: 'data: 1\n\n', isCut: true, hasEnded: true });
  });
});
