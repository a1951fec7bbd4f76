// What `send` leaves behind besides the message: --transcript, the conversation, and --save, a copy of what was sent.
import type { FetchOutput } from '../app/fetch-output.ts';
import type { ByteSource } from '../base/bytes.ts';
import type { TranscriptEvent } from '../wire/transcript.ts';
import type { Context } from './command.ts';
import type { OptionGroup } from './option-rows.ts';
import type { OptionValues } from './option-values.ts';

export const recordGroup: OptionGroup = {
  heading: 'Output:',
  rows: [
    { flags: '--dry-run', says: 'print the message (with --json the plan) and connect to nothing' },
    { flags: '--print <message-id|queue-id|response>', says: 'print only this on success' },
    { flags: '--transcript <file>', says: 'write the conversation to a file, without passwords' },
    { flags: '--save <maildir|file.eml>', says: 'keep a copy of what was sent or queued' },
  ],
};

export interface Records {
  onEvent?: (event: TranscriptEvent) => void;
  onSent?: (message: ByteSource) => Promise<void>;
  close(): void;
}

/** Opens both before anything is sent: what cannot be kept is known then. Throws 'cannot-create', 'io'. */
export async function openRecords(options: OptionValues, context: Context): Promise<Records> {
  const [transcript, copy] = [options.text('transcript'), options.text('save')];
  const records: Records = { close: () => undefined };
  if (copy !== undefined) {
    const output = await openCopy(copy, context);
    records.onSent = (message) => keep(message, output);
  }
  if (transcript !== undefined) {
    const [{ openTranscriptFile }, { renderEvent }, { plainStyle }] = await Promise.all([
      import('../store/transcript-file.ts'),
      import('../render/transcript.ts'),
      import('../render/color.ts'),
    ]);
    const file = openTranscriptFile(transcript);
    records.onEvent = (event) => file.write(renderEvent(event, plainStyle, { times: true }));
    records.close = () => file.close();
  }
  return records;
}

/** A folder is a Maildir, and so is a name with `/` at its end; any other name is a new file. */
async function openCopy(path: string, context: Context): Promise<FetchOutput> {
  const { kindOfPath, openMaildirOutput, openSingleFile } = await import('../store/output.ts');
  const folder = path.endsWith('/') || (await kindOfPath(path)) === 'folder';
  const { clock, hostname } = context.ports;
  return folder
    ? openMaildirOutput(path.replace(/(?<=.)\/+$/, ''), { clock, hostname: hostname(), pid: process.pid })
    : openSingleFile(path);
}

async function keep(message: ByteSource, output: FetchOutput): Promise<void> {
  const copy = output.begin({ number: 1, uid: null });
  try {
    for await (const chunk of message.chunks()) await copy.write(chunk);
    await copy.commit();
  } catch (thrown) {
    await copy.abort();
    throw thrown;
  } finally {
    await output.settle();
  }
}
