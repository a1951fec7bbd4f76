// The parameters of MAIL and RCPT (RFC 5321 4.1.2 esmtp-param): one table of those that ehlo knows, parse and print.
// Whether a server offers the extension that a parameter belongs to is the server's business.
import { EhloError } from '../base/errors.ts';
import { decodeXtext } from '../base/xtext.ts';

export interface EsmtpParam {
  /** Upper case. */
  keyword: string;
  /** As written; absent where there is no `=`. */
  value?: string;
}

interface ParamRow {
  on: 'mail' | 'rcpt';
  extension: string;
  /** Undefined: the parameter takes no value. */
  valid: ((value: string) => boolean) | undefined;
  form: string;
}

const isXtext = (value: string): boolean => {
  try {
    decodeXtext(value);
    return true;
  } catch {
    return false;
  }
};

const isNotify = (value: string): boolean => {
  const words = value.toUpperCase().split(',');
  if (words.length === 1 && words[0] === 'NEVER') return true;
  return new Set(words).size === words.length && words.every((word) => /^(SUCCESS|FAILURE|DELAY)$/.test(word));
};

/** RFC 3461 4.2: an address type, then xtext (RFC 6533 3 adds utf-8 addresses in UTF-8). */
const isOrcpt = (value: string): boolean => {
  const match = /^([A-Za-z0-9-]+);([^;]+)$/.exec(value);
  if (!match || value.length > 500) return false;
  return /^utf-8$/i.test(match[1] ?? '') || isXtext(match[2] ?? '');
};

export const paramTable: Record<string, ParamRow> = {
  // RFC 1870 3: at most 20 digits.
  SIZE: { on: 'mail', extension: 'SIZE', valid: (value) => /^\d{1,20}$/.test(value), form: 'SIZE=bytes' },
  BODY: {
    on: 'mail',
    extension: '8BITMIME',
    valid: (value) => /^(7BIT|8BITMIME)$/i.test(value),
    form: 'BODY=7BIT or BODY=8BITMIME',
  },
  SMTPUTF8: { on: 'mail', extension: 'SMTPUTF8', valid: undefined, form: 'SMTPUTF8' },
  // RFC 4954 5
  AUTH: {
    on: 'mail',
    extension: 'AUTH',
    valid: (value) => value === '<>' || isXtext(value),
    form: 'AUTH=xtext or AUTH=<>',
  },
  RET: { on: 'mail', extension: 'DSN', valid: (value) => /^(FULL|HDRS)$/i.test(value), form: 'RET=FULL or RET=HDRS' },
  ENVID: {
    on: 'mail',
    extension: 'DSN',
    valid: (value) => value.length <= 100 && isXtext(value),
    form: 'ENVID=xtext of at most 100 characters',
  },
  NOTIFY: {
    on: 'rcpt',
    extension: 'DSN',
    valid: isNotify,
    form: 'NOTIFY=NEVER or a list of SUCCESS, FAILURE and DELAY',
  },
  ORCPT: { on: 'rcpt', extension: 'DSN', valid: isOrcpt, form: 'ORCPT=type;xtext' },
};

/** Parameters that a client may be asked to send and that our server does not take; the extension that each belongs to. */
const otherParams: Record<string, string> = {
  // RFC 8689, RFC 2852, RFC 6710, RFC 4865, RFC 7293, draft-hall-prdr
  REQUIRETLS: 'REQUIRETLS',
  BY: 'DELIVERBY',
  'MT-PRIORITY': 'MT-PRIORITY',
  HOLDFOR: 'FUTURERELEASE',
  HOLDUNTIL: 'FUTURERELEASE',
  RRVS: 'RRVS',
  PRDR: 'PRDR',
};

/** Undefined: nobody can tell whether a server knows it. */
export const extensionOf = (keyword: string): string | undefined =>
  Object.hasOwn(paramTable, keyword)
    ? paramTable[keyword]?.extension
    : Object.hasOwn(otherParams, keyword)
      ? otherParams[keyword]
      : undefined;

/** What is wrong with parameters, for a 501 ('syntax') or a 555 ('unknown'; RFC 5321 4.1.1.11). */
export type ParamProblem = { kind: 'syntax' | 'unknown'; text: string };

const esmtpParam = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\p{Cc} =]+))?$/u;

/** `rest` is '' or begins with the space behind the path. */
export function parseParams(on: 'mail' | 'rcpt', rest: string): EsmtpParam[] | ParamProblem {
  if (rest === '') return [];
  const params: EsmtpParam[] = [];
  for (const word of rest.slice(1).split(' ')) {
    // The value may hold '=' only as the pair of a table entry says; RFC 5321 4.1.2 forbids it.
    const match = esmtpParam.exec(word);
    if (!match?.[1]) return { kind: 'syntax', text: 'parameters are KEYWORD or KEYWORD=value, with one space between' };
    const keyword = match[1].toUpperCase();
    const value = match[2];
    if (params.some((param) => param.keyword === keyword)) {
      return { kind: 'syntax', text: `the parameter ${keyword} is given twice` };
    }
    const row = Object.hasOwn(paramTable, keyword) ? paramTable[keyword] : undefined;
    if (row?.on !== on) return { kind: 'unknown', text: `the parameter ${keyword} is not known here` };
    if (row.valid === undefined ? value !== undefined : value === undefined || !row.valid(value)) {
      return { kind: 'syntax', text: `the parameter is written ${row.form}` };
    }
    params.push(value === undefined ? { keyword } : { keyword, value });
  }
  return params;
}

/** With a space before each. Throws 'usage' for what cannot stand in a parameter. */
export const printParams = (params: readonly EsmtpParam[]): string =>
  params
    .map(({ keyword, value }) => {
      const word = value === undefined ? keyword : `${keyword}=${value}`;
      if (!esmtpParam.test(word)) {
        throw new EhloError('usage', `${JSON.stringify(word)} is not an ESMTP parameter (RFC 5321 4.1.2)`);
      }
      return ` ${word}`;
    })
    .join('');
