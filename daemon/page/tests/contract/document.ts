// What GET /openapi.json says, and whether a request or an answer is what it says.
import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { Answer, Request } from './wire';

type Json = Record<string, any>;

export interface Operation {
  /// "POST /v1/tasks"
  name: string;
  method: string;
  /// "/v1/tasks/{id}"
  path: string;
  /// JSON pointer into the document.
  at: string;
  said: Json;
}

const base = 'pawl:/openapi.json';
const escaped = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');
const inUri = (pointer: string): string => encodeURI(pointer).replaceAll('#', '%23');

export class Document {
  readonly operations: Operation[] = [];
  private readonly ajv = new Ajv2020({ strict: false, allErrors: true });
  private readonly compiled = new Map<string, ValidateFunction>();
  private readonly forms: { operation: Operation; form: RegExp }[] = [];

  constructor(readonly said: Json) {
    addFormats.default(this.ajv);
    this.ajv.addSchema({ $id: base, ...said });
    for (const [path, methods] of Object.entries<Json>(said['paths'])) {
      for (const [method, of] of Object.entries<Json>(methods)) {
        const operation = {
          name: `${method.toUpperCase()} ${path}`,
          method: method.toUpperCase(),
          path,
          at: `/paths/${escaped(path)}/${method}`,
          said: of,
        };
        this.operations.push(operation);
        const form = path.replaceAll(/[.]/g, '\\.').replaceAll(/\{[^}]*\}/g, '[^/]+');
        this.forms.push({ operation, form: new RegExp(`^${form}$`) });
      }
    }
  }

  /// "POST /v1/tasks 201", …
  pairs(): string[] {
    return this.operations.flatMap(({ name, said }) =>
      Object.keys(said['responses']).map((status) => `${name} ${status}`),
    );
  }

  pair(text: string): { name: string; status: string } {
    const at = text.lastIndexOf(' ');
    return { name: text.slice(0, at), status: text.slice(at + 1) };
  }

  named(name: string): Operation {
    const found = this.operations.find((operation) => operation.name === name);
    if (!found) throw new Error(`the document has no ${name}`);
    return found;
  }

  /// The operation that a request is for. A literal path wins: `/v1/jobs/claim` is not a job.
  operationOf(request: Request): Operation | undefined {
    const path = request.path.split('?')[0] ?? '';
    const fitting = this.forms.filter(({ operation, form }) => operation.method === request.method && form.test(path));
    return (fitting.find(({ operation }) => !operation.path.includes('{')) ?? fitting[0])?.operation;
  }

  /// The error codes that an operation may be answered with.
  codes(operation: Operation, status: string): string[] {
    const schema = operation.said['responses'][status]?.content?.['application/json']?.schema;
    return schema?.allOf?.[1]?.properties?.error?.properties?.code?.enum ?? [];
  }

  /// What in a request is not as the document says.
  problemsOfRequest(request: Request): string[] {
    const operation = this.operationOf(request);
    if (!operation) return [`no operation is ${request.method} ${request.path}`];
    const { said, at } = operation;
    const [path = '', query = ''] = request.path.split('?');
    const sent = new Map(
      query
        .split('&')
        .filter(Boolean)
        .map(
          (pair) => pair.split('=').map((text) => decodeURIComponent(text.replaceAll('+', ' '))) as [string, string],
        ),
    );
    const problems: string[] = [];
    (said['parameters'] as Json[]).forEach((given, index) => {
      const parameter = this.resolved(given);
      const pointer = given['$ref'] ? `${given['$ref'].slice(1)}/schema` : `${at}/parameters/${index}/schema`;
      let value: string | undefined;
      if (parameter['in'] === 'query') value = sent.get(parameter['name']);
      if (parameter['in'] === 'header') value = request.headers?.[parameter['name']];
      if (parameter['in'] === 'path')
        value = decodeURIComponent(
          path.split('/')[operation.path.split('/').findIndex((part) => part.startsWith('{'))] ?? '',
        );
      sent.delete(parameter['in'] === 'query' ? parameter['name'] : '');
      if (value === undefined) {
        if (parameter['required']) problems.push(`${parameter['name']} is missing`);
        return;
      }
      const isNumber = parameter['schema'].type === 'integer' && /^-?\d+$/.test(value);
      problems.push(...this.mismatches(pointer, isNumber ? Number(value) : value, parameter['name']));
    });
    for (const name of sent.keys()) problems.push(`the query parameter ${name} is not described`);
    const body = said['requestBody'];
    if (!body) return problems;
    if (request.body === undefined) return body.required ? [...problems, 'the body is missing'] : problems;
    let value = request.body;
    if (typeof value === 'string') {
      try {
        value = JSON.parse(value);
      } catch {
        return [...problems, 'the body is not JSON'];
      }
    }
    return [...problems, ...this.mismatches(`${at}/requestBody/content/application~1json/schema`, value, 'body')];
  }

  /// What in an answer is not as the document says. Each member has to be described, although clients must expect
  /// further ones.
  problemsOfAnswer(operation: Operation, answer: Answer): string[] {
    const responses = operation.said['responses'] as Json;
    const response = responses[answer.status];
    if (!response) return [`the status ${answer.status} is not described`];
    const at = `${operation.at}/responses/${answer.status}`;
    const problems: string[] = [];
    for (const [name, header] of Object.entries<Json>(response.headers ?? {})) {
      const value = answer.headers[name.toLowerCase()];
      const said = this.resolved(header);
      if (value === undefined && said['required']) problems.push(`the header ${name} is missing`);
      if (value === undefined) continue;
      const isNumber = said['schema'].type === 'integer' && /^\d+$/.test(value);
      const pointer = header['$ref'] ? `${header['$ref'].slice(1)}/schema` : `${at}/headers/${escaped(name)}/schema`;
      problems.push(...this.mismatches(pointer, isNumber ? Number(value) : value, name));
    }
    for (const name of Object.keys(answer.headers)) {
      const isOurs = /^(pawl-|idempotency-|retry-after|etag|www-authenticate|allow|last-|vary|cache-control)/.test(
        name,
      );
      const described = Object.keys(response.headers ?? {}).map((each) => each.toLowerCase());
      if (isOurs && !described.includes(name)) problems.push(`the header ${name} is not described`);
    }
    const type = (answer.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
    const content = response.content as Json | undefined;
    if (!content) return answer.text === '' ? problems : [...problems, `a body is not described: ${answer.text}`];
    const media = content[type];
    if (!media)
      return [...problems, `the content type ${type} is not described: ${Object.keys(content).join(', ')} is`];
    if (type !== 'application/json') return problems;
    let value: unknown;
    try {
      value = JSON.parse(answer.text);
    } catch {
      return [...problems, `not JSON: ${answer.text}`];
    }
    const pointer = `${at}/content/application~1json/schema`;
    return [
      ...problems,
      ...this.mismatches(pointer, value, 'body'),
      ...this.undescribed([media.schema], value, 'body'),
    ];
  }

  /// What is wrong with a value by a schema of the document.
  mismatches(pointer: string, value: unknown, name: string): string[] {
    let validate = this.compiled.get(pointer);
    if (!validate) {
      validate = this.ajv.compile({ $ref: `${base}#${inUri(pointer)}` });
      this.compiled.set(pointer, validate);
    }
    if (validate(value)) return [];
    return (validate.errors ?? []).map(
      (error) => `${name}${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`,
    );
  }

  /// The members of a value that none of the schemas describes.
  private undescribed(schemas: Json[], value: unknown, at: string): string[] {
    if (schemas.some((schema) => schema['additionalProperties'] === true)) return [];
    const all = schemas.flatMap((schema) => this.parts(schema));
    if (Array.isArray(value)) {
      const items = all.flatMap((schema) => (schema['items'] ? [schema['items']] : []));
      if (items.length === 0) return [`${at}: what is in the list is not described`];
      return value.flatMap((each, index) => this.undescribed(items, each, `${at}/${index}`));
    }
    if (typeof value !== 'object' || value === null) {
      const isDescribed = all.some((schema) => schema['type'] || schema['enum'] || 'const' in schema);
      return isDescribed || value === null ? [] : [`${at}: ${JSON.stringify(value)} is not described`];
    }
    return Object.entries(value).flatMap(([name, member]) => {
      const of = all.flatMap((schema) => {
        const known = schema['properties']?.[name];
        if (known) return [known];
        return schema['additionalProperties'] ? [schema['additionalProperties']] : [];
      });
      if (of.length === 0) return [`${at}/${name} is not described`];
      return this.undescribed(of, member, `${at}/${name}`);
    });
  }

  /// A schema and those that it is made of.
  private parts(given: Json): Json[] {
    const schema = this.resolved(given);
    const inner = ['allOf', 'anyOf', 'oneOf'].flatMap((word) => (schema[word] as Json[] | undefined) ?? []);
    return [schema, ...inner.flatMap((each) => this.parts(each))];
  }

  private resolved(schema: Json): Json {
    const ref = schema['$ref'] as string | undefined;
    if (!ref) return schema;
    const found = ref
      .slice(2)
      .split('/')
      .reduce((at, key) => at?.[key.replaceAll('~1', '/').replaceAll('~0', '~')], this.said);
    if (!found) throw new Error(`${ref} leads nowhere`);
    return this.resolved(found);
  }
}
