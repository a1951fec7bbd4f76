// What the files in test/mail expect of a message: the report of `inspect`, made short enough to be read by a person.
import { inspectMessage, type MimeNode, openMessage } from '../../src/app/inspect-message.ts';
import { bytesSource } from '../../src/base/bytes.ts';

const line = (node: MimeNode): string =>
  `${node.path || '-'} ${node.type} ${node.encoding} at ${node.offset}+${node.size} body ${node.bodyOffset}+${node.bodySize}${node.filename === null ? '' : ` ${JSON.stringify(node.filename)}`}`;

const tree = (node: MimeNode): string[] => [line(node), ...node.parts.flatMap(tree)];

export async function mailFacts(bytes: Buffer): Promise<Record<string, unknown>> {
  const { message, mime, headers, hops, attachments, findings } = await inspectMessage(
    await openMessage(bytesSource(bytes)),
  );
  return {
    message,
    mime: tree(mime),
    headers: headers.map(({ name, value, offset }) => `${offset} ${name}: ${value.slice(0, 200)}`),
    hops: hops.map((hop) => JSON.stringify(hop)),
    attachments: attachments.map(({ sha256, ...rest }) => ({ ...rest, sha256: sha256.slice(0, 8) })),
    findings: findings.map(({ id, severity, message: text }) => `${severity} ${id} ${text}`),
  };
}
