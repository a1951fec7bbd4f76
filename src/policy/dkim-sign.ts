// Signing a message (RFC 6376 5, RFC 8463): one DKIM-Signature a key, in front of all else, relaxed/relaxed. The message is
// read once for its body hash and once more when it is sent; only its header is ever held.
import { createHash } from 'node:crypto';
import { type ByteSource, bytesSource } from '../base/bytes.ts';
import { sameDomain } from '../base/domain.ts';
import { EhloError } from '../base/errors.ts';
import { headerMailboxes } from '../message/addresses.ts';
import { fieldsNamed, type HeaderField, parseHeaders } from '../message/headers.ts';
import { HeaderSplit } from '../message/raw.ts';
import { CanonicalBody, canonicalField } from './dkim-canonical.ts';
import { type DkimKey, signDigest } from './dkim-key.ts';

export interface SignedMessage extends ByteSource {
  /** For people: weak keys, domains that DMARC will not count. */
  notes: string[];
}

/**
 * What is signed: each field that is there, as often as it is there. One more name than fields ("oversigning", RFC 6376
 * 8.15) means that nobody can add another From or Subject in front of the signed one, which is what a reader would show.
 * 'always' even guards a field that is absent; 'present' does not, since a submission server adds a missing Date or
 * Message-ID in good faith (RFC 6409 8.1), and would break the signature. Fields that change on the way or that are nobody's
 * claim (Received, Return-Path, Bcc, other signatures) are not signed (RFC 6376 5.4.1).
 */
const signedFields: readonly [name: string, oversign: 'always' | 'present' | 'never'][] = [
  ['From', 'always'],
  ['To', 'always'],
  ['Cc', 'always'],
  ['Subject', 'always'],
  ['Reply-To', 'always'],
  ['Date', 'present'],
  ['Message-ID', 'present'],
  ['Sender', 'present'],
  ['In-Reply-To', 'present'],
  ['References', 'present'],
  ['MIME-Version', 'present'],
  ['Content-Type', 'present'],
  ['Content-Transfer-Encoding', 'present'],
  ['Content-Disposition', 'present'],
  ['Content-ID', 'never'],
  ['Content-Description', 'never'],
  ['Resent-Date', 'never'],
  ['Resent-From', 'never'],
  ['Resent-To', 'never'],
  ['Resent-Cc', 'never'],
  ['List-Id', 'never'],
  ['List-Help', 'never'],
  ['List-Unsubscribe', 'never'],
  ['List-Unsubscribe-Post', 'never'],
  ['List-Subscribe', 'never'],
  ['List-Post', 'never'],
  ['List-Owner', 'never'],
  ['List-Archive', 'never'],
];

/** Throws 'bad-message' for a message without exactly one author, 'limit-reached' for its header, 'config' for a key. */
export async function signDkim(source: ByteSource, keys: readonly DkimKey[], at: Date): Promise<SignedMessage> {
  const { fields, bodyHash } = await readOnce(source);
  const from = authorField(fields);
  const signatures = Buffer.from(keys.map((key) => signature(key, fields, bodyHash, at)).join(''));
  const notes = keys.flatMap((key) => [...key.notes, ...alignment(key.domain, from)]);
  if (source.bytes) return { ...bytesSource(Buffer.concat([signatures, source.bytes])), notes };
  return {
    size: source.size === undefined ? undefined : source.size + signatures.length,
    async *chunks() {
      yield signatures;
      yield* source.chunks();
    },
    notes,
  };
}

async function readOnce(source: ByteSource): Promise<{ fields: HeaderField[]; bodyHash: string }> {
  const split = new HeaderSplit();
  const hash = createHash('sha256');
  const body = new CanonicalBody('relaxed', (bytes) => void hash.update(bytes));
  for await (const chunk of source.chunks()) {
    const taken = split.feed(chunk);
    if (split.found && taken < chunk.length) body.feed(chunk.subarray(taken));
  }
  body.end();
  return { fields: parseHeaders(split.header()).fields, bodyHash: hash.digest('base64') };
}

/** RFC 6376 5.4: From must be signed; a second one would be shown by some readers and not by others. */
function authorField(fields: readonly HeaderField[]): HeaderField {
  const [from, second] = fieldsNamed(fields, 'From');
  if (from && !second) return from;
  throw new EhloError(
    'bad-message',
    `the message has ${from ? 'more than one' : 'no'} From field, and cannot be signed (RFC 6376 5.4)`,
    {
      stage: 'message',
      hint: 'nothing was sent; give it one From field',
    },
  );
}

function signature(key: DkimKey, fields: readonly HeaderField[], bodyHash: string, at: Date): string {
  const names: string[] = [];
  const data: Buffer[] = [];
  for (const [name, oversign] of signedFields) {
    // RFC 6376 5.4.2: of several fields the last is signed first.
    const found = fieldsNamed(fields, name).reverse();
    const more = oversign === 'always' || (oversign === 'present' && found.length > 0) ? 1 : 0;
    names.push(...Array<string>(found.length + more).fill(name));
    data.push(...found.map((field) => canonicalField(field.raw, 'relaxed')));
  }
  const tags = [
    'v=1;',
    `a=${key.algorithm};`,
    'c=relaxed/relaxed;',
    `d=${key.domain};`,
    `s=${key.selector};`,
    `t=${Math.floor(at.getTime() / 1000)};`,
    ...names.map((name, index) => `${index === 0 ? 'h=' : ''}${name}${index < names.length - 1 ? ':' : ';'}`),
    `bh=${bodyHash};`,
    'b=',
  ];
  const unsigned = foldTags(tags);
  // The field itself comes last, with an empty b= and without its line end (RFC 6376 3.7).
  const own = canonicalField(Buffer.from(`${unsigned}\r\n`), 'relaxed').subarray(0, -2);
  const signed = signDigest(key.algorithm, key.key.reveal(), headerHash(key, Buffer.concat([...data, own])));
  return `${unsigned}${foldBase64(signed.toString('base64'), unsigned)}\r\n`;
}

/** RSA hashes what it signs by itself; Ed25519 is given the hash (RFC 8463 3). */
const headerHash = (key: DkimKey, data: Buffer): Buffer =>
  key.algorithm === 'rsa-sha256' ? data : createHash('sha256').update(data).digest();

const lineWanted = 76;

/** Folded between tags and between the names of h=; relaxed canonicalization takes the folds away again. */
function foldTags(tags: readonly string[]): string {
  let out = 'DKIM-Signature:';
  let column = out.length;
  let glue = ' ';
  for (const tag of tags) {
    const fits = column + glue.length + tag.length <= lineWanted;
    out += fits ? `${glue}${tag}` : `\r\n ${tag}`;
    column = fits ? column + glue.length + tag.length : tag.length + 1;
    // Names of h= stand side by side.
    glue = tag.endsWith(':') ? '' : ' ';
  }
  return out;
}

function foldBase64(text: string, before: string): string {
  let room = lineWanted - (before.length - before.lastIndexOf('\n') - 1);
  let out = '';
  for (let at = 0; at < text.length; ) {
    out += text.slice(at, at + room);
    at += room;
    if (at < text.length) out += '\r\n ';
    room = lineWanted - 1;
  }
  return out;
}

/** DMARC wants d= and the domain of From to be related (RFC 7489 3.1.1). Siblings may be, which only a list could tell. */
function alignment(domain: string, from: HeaderField): string[] {
  const others = authorDomains(from).filter((author) => !related(author, domain));
  return others.map(
    (author) =>
      `the DKIM signature of ${domain} is not aligned with the From domain ${author}: DMARC counts it only where both belong to one organizational domain`,
  );
}

function authorDomains(from: HeaderField): string[] {
  try {
    return headerMailboxes('From', from.rawValue).map((one) => one.domain);
  } catch {
    // Whether the address is good is not asked here.
    return [];
  }
}

const related = (author: string, domain: string): boolean =>
  sameDomain(author, domain) || under(author, domain) || under(domain, author);

/** The parent is tried label by label, so that U-labels and A-labels compare. */
function under(inner: string, outer: string): boolean {
  const labels = inner.split('.');
  return labels.some((_label, at) => at > 0 && sameDomain(labels.slice(at).join('.'), outer));
}
