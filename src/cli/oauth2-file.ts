// The file of --oauth2: what turns a refresh token into access tokens. JSON with the names below and no others.
import { EhloError } from '../base/errors.ts';
import { isLoopback } from '../base/ip.ts';
import { Secret } from '../base/secret.ts';
import type { RefreshGrant } from '../net/oauth2.ts';

export interface OAuth2File extends RefreshGrant {
  user?: string;
}

const names = ['clientId', 'clientSecret', 'refreshToken', 'tokenUrl', 'user'] as const;
const needed = ['clientId', 'refreshToken', 'tokenUrl'] as const;

/** Throws 'config'; no value of the file is in an error but the URL's. */
export function parseOAuth2File(text: string, path: string): OAuth2File {
  const refuse = (problem: string): EhloError =>
    new EhloError('config', `--oauth2: ${path} ${problem}`, {
      hint: 'a JSON object of texts: {"clientId", "clientSecret" (if there is one), "refreshToken", "tokenUrl", "user" (if wanted)}',
    });
  const fields = new Map<string, string>();
  for (const [name, value] of Object.entries(parseObject(text) ?? refuseWith(refuse('holds no JSON object')))) {
    if (!names.some((one) => one === name)) throw refuse(`has "${name.slice(0, 40)}", which means nothing here`);
    if (typeof value !== 'string' || value === '') throw refuse(`has "${name}", which is no text`);
    fields.set(name, value);
  }
  const missing = needed.filter((name) => !fields.has(name));
  if (missing.length > 0) throw refuse(`lacks ${missing.join(' and ')}`);
  const field = (name: (typeof names)[number]): string => fields.get(name) ?? '';
  const clientSecret = fields.get('clientSecret');
  const user = fields.get('user');
  return {
    clientId: field('clientId'),
    refreshToken: new Secret(field('refreshToken')),
    tokenUrl: parseTokenUrl(field('tokenUrl'), refuse),
    ...(clientSecret !== undefined && { clientSecret: new Secret(clientSecret) }),
    ...(user !== undefined && { user }),
  };
}

function parseObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    // Its message quotes the text, and that holds secrets.
    return undefined;
  }
}

/** Whoever reads the request has the refresh token: https, or this machine. */
function parseTokenUrl(text: string, refuse: (problem: string) => EhloError): URL {
  if (!URL.canParse(text)) throw refuse('has a tokenUrl that is no URL');
  const url = new URL(text);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const here = host === 'localhost' || isLoopback(host);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && here)) {
    throw refuse(
      `has a tokenUrl of ${url.protocol}//, which would send the refresh token in the clear; it must be https://`,
    );
  }
  if (url.username !== '' || url.password !== '') throw refuse('has a tokenUrl with a user in it');
  return url;
}

const refuseWith = (error: EhloError): never => {
  throw error;
};
