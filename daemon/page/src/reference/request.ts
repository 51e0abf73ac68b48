// What the form of a call makes: a request, or what is wrong with it; and the same as a line for a shell.
import type { Call, Parameter } from './document';

export interface Filled {
  values: { [name: string]: string }; // of the parameters
  body: string;
  accept: string; // the form of the answer, where there are several; empty: whatever comes
}

export interface Request {
  method: string;
  path: string; // without a slash before it, so that it holds under a prefix too
  headers: { [name: string]: string };
  body: string | null;
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value, null, 2);

/// As the form begins: what has to be sent has its example.
export function filledFor(call: Call): Filled {
  const values: Filled['values'] = {};
  for (const { name, required, example } of call.parameters) values[name] = required ? textOf(example) : '';
  const forms = acceptsOf(call);
  return { values, body: call.body ? textOf(call.body.example) : '', accept: forms.length > 1 ? (forms[0] ?? '') : '' };
}

/// The content types of its answer, if it has one.
export function acceptsOf(call: Call): string[] {
  const success = call.responses.find(([status]) => status.startsWith('2'));
  return Object.keys(success?.[1].content ?? {});
}

function problemOf({ name, required, schema }: Parameter, value: string): string | null {
  if (value === '') return required ? `${name} has to be filled in.` : null;
  if ([schema?.type].flat().includes('integer') && !/^-?\d{1,19}$/.test(value)) return `${name} has to be an integer.`;
  return null;
}

/// Whether it can be sent as it is.
export function problemIn(call: Call, filled: Filled): string | null {
  for (const parameter of call.parameters) {
    const problem = problemOf(parameter, filled.values[parameter.name] ?? '');
    if (problem !== null) return problem;
  }
  if (!call.body) return null;
  if (filled.body.trim() === '') return call.body.isRequired ? 'The body has to be filled in.' : null;
  try {
    JSON.parse(filled.body);
    return null;
  } catch (error) {
    return `The body is not JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
}

export function requestOf(call: Call, filled: Filled): Request {
  let path = call.path.slice(1);
  const query = new URLSearchParams();
  const headers: Request['headers'] = {};
  for (const { name, in: place } of call.parameters) {
    const value = filled.values[name] ?? '';
    if (place === 'path') path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (value === '') continue;
    else if (place === 'query') query.set(name, value);
    else headers[name] = value;
  }
  if (filled.accept !== '') headers['Accept'] = filled.accept;
  const body = call.body && filled.body.trim() !== '' ? filled.body : null;
  if (body !== null) headers['Content-Type'] = 'application/json';
  return { method: call.method, path: path + (query.size > 0 ? `?${query.toString()}` : ''), headers, body };
}

const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`);

/// The request as a line for a shell. A token is never in it: it is taken from a variable.
export function curlOf(base: string, request: Request, hasToken: boolean): string {
  const parts = ['curl', '-sS'];
  if (request.method !== 'GET') parts.push('-X', request.method);
  if (hasToken) parts.push('-H', '"Authorization: Bearer $PAWL_TOKEN"');
  for (const [name, value] of Object.entries(request.headers)) parts.push('-H', quoted(`${name}: ${value}`));
  if (request.headers['Accept'] === 'text/event-stream') parts.push('-N');
  if (request.body !== null) parts.push('--data-raw', quoted(compact(request.body)));
  return [...parts, quoted(base + request.path)].join(' ');
}

function compact(body: string): string {
  try {
    JSON.parse(body);
  } catch {
    return body;
  }
  return jsonTokens(body).join('');
}

/// The parts of a JSON text, without the space between them. Numbers stay as they are written: a digest has more digits
/// than JavaScript's numbers.
export function jsonTokens(text: string): string[] {
  return text.match(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g) ?? [];
}

/// A JSON text with a line for each member.
export function laidOut(text: string): string {
  const out: string[] = [];
  const tokens = jsonTokens(text);
  let depth = 0;
  const line = (): void => void out.push(`\n${'  '.repeat(depth)}`);
  tokens.forEach((token, at) => {
    const next = tokens[at + 1];
    if (token === '{' || token === '[') {
      out.push(token);
      if (next === '}' || next === ']') return;
      depth++;
      line();
    } else if (token === '}' || token === ']') {
      const before = tokens[at - 1];
      if (before !== '{' && before !== '[') {
        depth--;
        line();
      }
      out.push(token);
    } else if (token === ',') {
      out.push(token);
      line();
    } else out.push(token === ':' ? ': ' : token);
  });
  return out.join('');
}
