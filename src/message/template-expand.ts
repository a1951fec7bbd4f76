// Puts values into a template. Names are own properties of the data and nothing else; a name that is not there is an error
// that lists those that are. How a value is written in its place (HTML, a header, an address) is the sink's to say.
import type { EhloError } from '../base/errors.ts';
import { mergeLimits } from '../base/limits.ts';
import { type Part, type Template, templateError } from './template.ts';

export type Value = string | number | boolean | null | readonly Value[] | Values;
export interface Values {
  readonly [name: string]: Value;
}

/** Takes the pieces in order. */
export interface Sink {
  text(text: string): void;
  value(text: string, tag: { name: string; raw: boolean }): void;
}

interface Scope {
  /** Of the innermost {{#each}}. */
  item?: Value;
  index?: number;
}

/** Throws 'bad-message'. Time and output are bounded by mergeLimits. */
export function expandTemplate(template: Template, values: Values, sink: Sink): void {
  let steps = 0;
  let length = 0;
  const refuse = (at: number, why: string, hint = 'correct the data'): EhloError =>
    templateError(template, at, why, hint);
  const spend = (at: number, characters: number): void => {
    length += characters;
    if (++steps > mergeLimits.steps || length > mergeLimits.expanded) {
      throw refuse(at, `the template grows beyond ${mergeLimits.expanded} characters`, 'the lists are too long');
    }
  };
  const known = (name: string, scope: Scope, at: number): Value => {
    const found = lookUp(name, values, scope);
    if (found !== undefined) return found;
    const unknown = `"${name}" is not among the names`;
    if (/^(?:this|@index)(?:\.|$)/.test(name) && scope.item === undefined) {
      throw refuse(at, `{{${name}}} means something only inside of {{#each}}`, 'correct the template');
    }
    throw refuse(at, `${unknown}: ${listNames(values)}`, 'correct the name, or give it a value');
  };
  const run = (parts: readonly Part[], scope: Scope): void => {
    for (const part of parts) {
      if (part.kind === 'text') {
        spend(0, part.text.length);
        sink.text(part.text);
        continue;
      }
      const { name, at } = part;
      if (part.kind === 'value') {
        const text = printValue(known(name, scope, at));
        if (text.kind === 'error') throw refuse(at, `"${name}" is ${text.why}`);
        spend(at, text.text.length);
        sink.value(text.text, { name, raw: part.raw });
        continue;
      }
      spend(at, 0);
      // A field that only some entries have is what {{#if}} asks for; a first name that is not there is a slip.
      const value = part.kind === 'if' && mayBeAbsent(name, values, scope) ? null : known(name, scope, at);
      if (part.kind === 'if') run(isTrue(value) ? part.body : (part.otherwise ?? []), scope);
      else if (!Array.isArray(value)) throw refuse(at, `"${name}" is no list, so {{#each}} cannot go through it`);
      else if (value.length === 0) run(part.otherwise ?? [], scope);
      else {
        for (const [index, item] of (value as readonly Value[]).entries()) {
          spend(at, 0);
          run(part.body, { item, index });
        }
      }
    }
  };
  run(template.parts, {});
}

/** False: nothing, null, false, 0, an empty text or list. What comes from CSV is text, so "0" and "no" are true. */
const isTrue = (value: Value): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== null && value !== false && value !== 0 && value !== '';

type Printed = { kind: 'text'; text: string } | { kind: 'error'; why: string };

function printValue(value: Value): Printed {
  if (typeof value === 'string') return { kind: 'text', text: value };
  if (typeof value === 'boolean') return { kind: 'text', text: String(value) };
  if (typeof value === 'number') {
    return Number.isInteger(value) && !Number.isSafeInteger(value)
      ? { kind: 'error', why: 'a number with more digits than can be kept; write it as text, in quotes' }
      : { kind: 'text', text: String(value) };
  }
  if (value === null) return { kind: 'error', why: 'null; ask for it with {{#if}}, or give it a value' };
  return {
    kind: 'error',
    why: Array.isArray(value) ? 'a list; go through it with {{#each}}' : 'an object; name a field of it',
  };
}

function lookUp(name: string, values: Values, scope: Scope): Value | undefined {
  if (name === '@index') return scope.index;
  if (name === 'this') return scope.item;
  // A column may have dots in its name.
  if (Object.hasOwn(values, name)) return values[name];
  if (!name.includes('.')) return undefined;
  const [first = '', ...path] = name.split('.');
  return walk(first === 'this' ? scope.item : own(values, first), path);
}

const walk = (from: Value | undefined, path: readonly string[]): Value | undefined =>
  path.reduce<Value | undefined>((value, step) => (value === undefined ? undefined : own(value, step)), from);

/** Own properties only: `constructor` and `__proto__` are no data. */
function own(value: Value, name: string): Value | undefined {
  if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name)) return undefined;
  if (Array.isArray(value)) return /^\d+$/.test(name) ? (value as readonly Value[])[Number(name)] : undefined;
  return (value as Values)[name];
}

function mayBeAbsent(name: string, values: Values, scope: Scope): boolean {
  if (lookUp(name, values, scope) !== undefined) return false;
  const cut = name.lastIndexOf('.');
  return cut > 0 && isObject(lookUp(name.slice(0, cut), values, scope));
}

const isObject = (value: Value | undefined): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function listNames(values: Values): string {
  const names = Object.keys(values);
  const some = names.slice(0, 20).join(', ');
  if (names.length === 0) return 'there are none';
  return names.length > 20 ? `${some} and ${names.length - 20} more` : some;
}
