// pawld's OpenAPI document (GET /openapi.json), as far as this page reads it, and the calls in it.
import type { Me, Value } from '../api/types';

export interface Schema {
  $ref?: string;
  type?: string | string[];
  description?: string;
  enum?: Value[];
  format?: string;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  default?: Value;
  items?: Schema;
  properties?: { [name: string]: Schema };
  additionalProperties?: boolean | Schema;
  required?: string[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
}

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  description?: string;
  schema?: Schema;
  example?: Value;
}

interface Media {
  schema?: Schema;
  example?: Value;
}
export type Content = { [type: string]: Media };

export interface Response {
  description?: string;
  content?: Content;
  headers?: { [name: string]: { description?: string } };
}

type Role = 'none' | Me['role'];

interface Operation {
  operationId: string;
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: (Parameter | { $ref: string })[];
  requestBody?: { required?: boolean; content: Content };
  responses: { [status: string]: Response };
  'x-role'?: Role;
  'x-role-without-boot'?: Role;
}

export interface Document {
  info: { version: string };
  paths: { [path: string]: { [method: string]: Operation } };
  components: { schemas: { [name: string]: Schema }; parameters: { [name: string]: Parameter } };
}

/// One operation of the document, with what it refers to.
export interface Call {
  id: string;
  method: string; // "POST"
  path: string;
  summary: string;
  group: string;
  role: Role;
  roleWithoutBoot: Role | null; // what it needs without a Pawl-Boot
  changes: boolean;
  parameters: Parameter[];
  body: { isRequired: boolean; schema: Schema; example: Value | undefined } | null;
  responses: [status: string, response: Response][];
}

/// A parameter or a schema that `$ref` names; null if the document does not have it.
export function referred<T>(document: Document, ref: string): T | null {
  let found: unknown = document;
  for (const part of ref.replace(/^#\//, '').split('/')) {
    found = typeof found === 'object' && found !== null ? (found as { [name: string]: unknown })[part] : undefined;
  }
  return found === undefined ? null : (found as T);
}

function parametersOf(document: Document, operation: Operation): Parameter[] {
  return (operation.parameters ?? []).flatMap((each) => {
    const found = '$ref' in each ? referred<Parameter>(document, each.$ref) : each;
    return found ? [found] : [];
  });
}

export function callsOf(document: Document): Call[] {
  const calls: Call[] = [];
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const sent = operation.requestBody?.content['application/json'];
      calls.push({
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        summary: operation.summary ?? '',
        group: operation.tags?.[0] ?? 'other',
        role: operation['x-role'] ?? 'none',
        roleWithoutBoot: operation['x-role-without-boot'] ?? null,
        changes: method !== 'get',
        parameters: parametersOf(document, operation),
        body: sent
          ? { isRequired: operation.requestBody?.required === true, schema: sent.schema ?? {}, example: sent.example }
          : null,
        responses: Object.entries(operation.responses),
      });
    }
  }
  return calls;
}

/// Calls whose path, summary or group has every word of the filter; in groups, in the order of the document.
export function groupsOf(calls: readonly Call[], filter: string): [group: string, calls: Call[]][] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const groups = new Map<string, Call[]>();
  for (const call of calls) {
    const text = `${call.method} ${call.path} ${call.summary} ${call.group} ${call.role}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) continue;
    groups.set(call.group, [...(groups.get(call.group) ?? []), call]);
  }
  return [...groups];
}

/// A text of the document in parts: plain ones, and code. Links are to documents that are not here: those to another
/// one are its name, those within the same one are left out.
export function proseOf(text: string): { text: string; isCode: boolean }[] {
  return text
    .replace(/\s*\[[^\]]*\]\(#[^)]*\)\.?/g, '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .split(/(`[^`]*`)/)
    .filter((part) => part !== '')
    .map((part) => ({ text: part.replace(/^`|`$/g, ''), isCode: part.startsWith('`') }));
}

const ranks: Role[] = ['none', 'read', 'work', 'operate'];

/// Why a role cannot make a call; null if it can. `asBoot`: with a Pawl-Boot. Null for `me`: pawld has not said yet.
export function refusalFor(call: Call, me: Me | null, asBoot: boolean): string | null {
  const needed = call.roleWithoutBoot !== null && !asBoot ? call.roleWithoutBoot : call.role;
  if (needed === 'none' || me === null || ranks.indexOf(me.role) >= ranks.indexOf(needed)) return null;
  const instead = needed === call.role ? '' : `; with a Pawl-Boot, ${call.role} is enough`;
  const who = me.token === null ? 'You have' : `The token ${me.token} has`;
  return `This call needs the role ${needed}. ${who} the role ${me.role}${instead}.`;
}
