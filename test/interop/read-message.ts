// What Python's email package sees in a message: an opinion of a message that is not ours.
import assert from 'node:assert/strict';
import { runPython } from './support.ts';

export interface MessageFacts {
  subject: string | null;
  from: string[];
  fromNames: string[];
  to: string[];
  cc: string[];
  bcc: string | null;
  messageId: string | null;
  plain: string | null;
  html: string | null;
  parts: { type: string; filename: string | null; cid: string | null; size: number; sha256: string }[];
  defects: string[];
}

export async function readMessage(message: Buffer): Promise<MessageFacts> {
  const { code, stdout, stderr } = await runPython('read-message.py', [], { input: message });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}
