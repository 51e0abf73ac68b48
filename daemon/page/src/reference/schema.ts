// A JSON Schema in words, and as lines to show.
import { referred, type Document, type Schema } from './document';

export interface Shape {
  words: string; // "text, at most 200 characters", "list of Task", "one of a, b, or null"
  inner: Schema | null; // an object within, to be opened
}

export interface Line {
  name: string;
  isRequired: boolean;
  schema: Schema;
}

const isNull = (schema: Schema): boolean => schema.type === 'null';
const number = (value: number): string => value.toLocaleString('en');

/// All parts of an `allOf` as one; what a `$ref` names in its place.
export function whole(document: Document, schema: Schema): Schema {
  const itself = schema.$ref === undefined ? schema : (referred<Schema>(document, schema.$ref) ?? {});
  if (!itself.allOf) return itself;
  const { allOf, ...rest } = itself;
  return allOf.reduce<Schema>((all, part) => merged(document, all, whole(document, part)), rest);
}

function merged(document: Document, one: Schema, two: Schema): Schema {
  const properties = { ...one.properties };
  for (const [name, schema] of Object.entries(two.properties ?? {})) {
    const known = properties[name];
    properties[name] = known ? merged(document, whole(document, known), whole(document, schema)) : schema;
  }
  const required = [...new Set([...(one.required ?? []), ...(two.required ?? [])])];
  return {
    ...one,
    ...two,
    ...(Object.keys(properties).length > 0 && { properties }),
    ...(required.length > 0 && { required }),
  };
}

function between(least: number | undefined, most: number | undefined): string {
  if (least !== undefined && most !== undefined) return ` from ${number(least)} to ${number(most)}`;
  if (least !== undefined) return ` from ${number(least)}`;
  return most === undefined ? '' : ` to ${number(most)}`;
}

function plain(schema: Schema, type: string): string {
  if (schema.enum) return `${schema.enum.length === 1 ? '' : 'one of '}${schema.enum.map(String).join(', ')}`;
  switch (type) {
    case 'string':
      return schema.format === 'date-time'
        ? 'time'
        : `text${schema.maxLength === undefined ? '' : `, at most ${number(schema.maxLength)} characters`}`;
    case 'integer':
    case 'number':
      return type + between(schema.minimum, schema.maximum);
    default:
      return type;
  }
}

/// What a value is, in words; `inner` is the object to show below it, if there is one.
export function shapeOf(document: Document, schema: Schema): Shape {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) {
    const shapes = choices.filter((each) => !isNull(each)).map((each) => shapeOf(document, each));
    const words = shapes.map(({ words: each }) => each).concat(choices.some(isNull) ? ['null'] : []);
    return {
      words: [...new Set(words.join(' or ').split(' or '))].join(' or '),
      inner: shapes.find(({ inner }) => inner)?.inner ?? null,
    };
  }
  const name = schema.$ref?.split('/').at(-1);
  if (name !== undefined) return { words: name, inner: whole(document, schema) };
  const types = schema.type === undefined ? [] : [schema.type].flat();
  const type = types.find((each) => each !== 'null');
  const usual = schema.default === undefined ? '' : `; ${JSON.stringify(schema.default)} if not sent`;
  const orNull = types.includes('null') ? ' or null' : '';
  const others = types.filter((each) => each !== 'null' && each !== type).map((each) => ` or ${plain(schema, each)}`);
  if (type === 'array') {
    const item = shapeOf(document, schema.items ?? {});
    const count = between(schema.minItems, schema.maxItems);
    return {
      words: `list of ${item.words}${count === '' ? '' : `, ${count.trim()} of them`}${orNull}`,
      inner: item.inner,
    };
  }
  if (type === 'object' || schema.properties || schema.allOf) {
    const itself = whole(document, schema);
    return { words: `object${orNull}`, inner: itself.properties ? itself : null };
  }
  return {
    words:
      (type === undefined
        ? types.length > 0
          ? 'null'
          : 'any value'
        : plain(schema, type) + others.join('') + orNull) + usual,
    inner: null,
  };
}

/// The members of an object, the required ones first.
export function linesOf(document: Document, schema: Schema): Line[] {
  const { properties = {}, required = [] } = whole(document, schema);
  const lines = Object.entries(properties).map(([name, each]) => ({
    name,
    isRequired: required.includes(name),
    schema: each,
  }));
  return [...lines.filter(({ isRequired }) => isRequired), ...lines.filter(({ isRequired }) => !isRequired)];
}
