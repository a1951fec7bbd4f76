// Questions to the person at the terminal. Every answer has a flag twin, so nothing here is needed by a script.
import { EhloError } from '../base/errors.ts';
import { safe } from '../render/safe.ts';
import type { Context } from './command.ts';

/** Asks on stderr, without echo. Throws 'usage' naming the flags where nobody can be asked. */
export async function askPassword(question: string, context: Context): Promise<string> {
  if (!context.interactive) {
    throw new EhloError('usage', 'a password is needed, and there is nobody to ask', {
      hint: 'give one of --password-file, --password-command, --password-env or --token-command, or --auth none',
    });
  }
  const { default: inquirer } = await import('inquirer');
  // inquirer writes to stdout by default, which is for the result only.
  const prompt = inquirer.createPromptModule({ input: context.stdin, output: process.stderr });
  const answered = prompt<{ password: string }>([
    { type: 'password', name: 'password', message: safe(question), mask: false },
  ]);
  const { password } = await answered.catch((cause: unknown) => {
    throw new EhloError('usage', 'the question for the password was not answered; nothing was done', { cause });
  });
  if (password === '') throw new EhloError('usage', 'the password is empty');
  return password;
}
