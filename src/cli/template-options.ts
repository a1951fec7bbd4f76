// --template and --data: the fields of the file become options that were not given, its body the body; the command line wins
// over the file, the file over configuration.
import { type GivenBody, inputTemplate, readTemplate } from '../app/merge-input.ts';
import type { MessageInput } from '../app/message-input.ts';
import type { Ports } from '../app/ports.ts';
import { EhloError } from '../base/errors.ts';
import { mergeLimits } from '../base/limits.ts';
import type { Value, Values } from '../message/template-expand.ts';
import { parseTemplateFile, type TemplateFile } from '../message/template-file.ts';
import type { OptionValues } from './option-values.ts';

/** Makes an input of arguments and options: messageInput of message-options.ts, with what else belongs to it. */
export type MakeInput = (args: string[], options: OptionValues) => MessageInput;

export interface TemplatedInput {
  input: MessageInput;
  /** In place of the input's own, where the file brings one. */
  bodies: { text?: GivenBody; html?: GivenBody };
  data: Values | undefined;
}

export async function readTemplated(
  args: string[],
  options: OptionValues,
  make: MakeInput,
  ports: Ports,
): Promise<TemplatedInput> {
  const [path, dataPath] = [options.text('template'), options.text('data')];
  const data = dataPath === undefined ? undefined : await readData(dataPath, ports);
  if (path === undefined) return { input: make(args, options), bodies: {}, data };
  const file = parseTemplateFile(await readTemplate(path, ports), path);
  const isGiven = (name: string): boolean => options.text(name) !== undefined && !options.layered(name);
  const bodies: TemplatedInput['bodies'] = {};
  const body = file.bodyKind === 'html' ? 'html' : 'text';
  if (!isGiven(bodyOption[body])) bodies[body] = { text: file.body, where: path, firstLine: file.bodyLine };
  return { input: make(args, overlay(args, options, file, bodies)), bodies, data };
}

/** One message from --template and --data. Without --data nothing is expanded: braces are text. */
export async function templatedInput(
  args: string[],
  options: OptionValues,
  make: MakeInput,
  ports: Ports,
): Promise<MessageInput> {
  const { input, bodies, data } = await readTemplated(args, options, make, ports);
  if (data !== undefined) return (await inputTemplate(input, ports, bodies)).expand(data);
  const text = bodies.text && { kind: 'text' as const, text: bodies.text.text };
  const html = bodies.html && { kind: 'text' as const, text: bodies.html.text };
  return { ...input, ...(text ? { text } : {}), ...(html ? { html } : {}) };
}

const bodyOption = { text: 'body', html: 'html' } as const;

const textFields: Record<string, string> = { from: 'from', subject: 'subject' };
const listFields: Record<string, string> = { to: 'to', cc: 'cc', bcc: 'bcc', 'reply-to': 'reply-to' };

/** Options as they are with the fields of the file behind them. */
function overlay(
  args: readonly string[],
  options: OptionValues,
  { fields }: TemplateFile,
  bodies: TemplatedInput['bodies'],
): OptionValues {
  const own = fields.map(({ name, value }) => ({ name, key: name.toLowerCase(), value }));
  const fieldFor = (option: string, table: Record<string, string>): string | undefined =>
    own.find(({ key }) => table[key] === option)?.value;
  const given = options.list('header').map((text) => text.split(':')[0]?.trim().toLowerCase());
  const headers = own
    .filter(({ key }) => !(key in textFields) && !(key in listFields) && !given.includes(key))
    .map(({ name, value }) => `${name}: ${value}`);
  const mine: OptionValues = {
    ...options,
    text(name) {
      const fromFile = fieldFor(name, textFields);
      return options.layered(name) ? (fromFile ?? options.text(name)) : (options.text(name) ?? fromFile);
    },
    list(name) {
      if (name === 'header') return [...headers, ...options.list(name)];
      const there = options.list(name);
      if ((there.length > 0 && !options.layered(name)) || (name === 'to' && args.length > 0)) return there;
      const fromFile = fieldFor(name, listFields);
      return fromFile === undefined ? there : [fromFile];
    },
    parsed(name, parse) {
      // The body of the file takes this place afterwards.
      const replaced = (name === 'body' && bodies.text) || (name === 'html' && bodies.html);
      return replaced ? parse('') : options.parsed(name, parse);
    },
  };
  return bodies.html ? { ...mine, text: (name) => (name === 'html' ? '' : mine.text(name)) } : mine;
}

/** A JSON object. */
async function readData(path: string, ports: Ports): Promise<Values> {
  const text = await readTemplate(path, ports, mergeLimits.dataBytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new EhloError('bad-message', `${path} is not JSON: ${cause instanceof Error ? cause.message : ''}`, {
      hint: 'nothing was sent',
      cause,
    });
  }
  if (isValues(value)) return value;
  throw new EhloError('bad-message', `${path} holds no JSON object`, {
    hint: 'nothing was sent; write {"name": "value"}',
  });
}

/** What JSON.parse makes is nothing but values. */
const isValues = (value: unknown): value is { readonly [name: string]: Value } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
