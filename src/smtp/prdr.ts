// The replies to a message where MAIL asked for PRDR (draft-hall-prdr): 353, one for each recipient, and the last word on the
// message; or that word alone.
import type { SmtpClient } from './client.ts';
import { verdictOf } from './phases.ts';
import type { Reply } from './reply.ts';

export interface PrdrVerdicts {
  /** Those of `open` who were taken, where the message as a whole was. */
  taken: [index: number, answer: Reply][];
  last: Reply;
}

/** `refuse` is called for each refusal as it is read: it holds whatever comes behind it, a yes only with the last word. */
export async function hearPrdr(
  client: SmtpClient,
  open: readonly number[],
  sent: string,
  refuse: (index: number, answer: Reply) => void,
): Promise<PrdrVerdicts> {
  const first = await client.hear('prdr', sent);
  if (verdictOf('prdr', first) !== 'more') return { taken: [], last: first };
  const taken: PrdrVerdicts['taken'] = [];
  for (const index of open) {
    const answer = await client.hear('dot', sent);
    if (verdictOf('dot', answer) === 'yes') taken.push([index, answer]);
    else refuse(index, answer);
  }
  const last = await client.hear('dot', sent);
  return { taken: verdictOf('dot', last) === 'yes' ? taken : [], last };
}
