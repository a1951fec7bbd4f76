// The head that every report (and so every JSON document) carries.
import { type EhloError, type ErrorJson, errorJson } from '../base/errors.ts';
import { type Exit, type ExitName, exitOf } from '../base/exit.ts';

export interface ReportHead<Command extends string = string> {
  command: Command;
  /** exit.code is 0 */
  ok: boolean;
  exit: Exit;
  error: ErrorJson | null;
}

export const reportHead = <Command extends string>(
  command: Command,
  outcome: EhloError | ExitName,
): ReportHead<Command> => {
  const exit = exitOf(typeof outcome === 'string' ? outcome : outcome.exit);
  return { command, ok: exit.code === 0, exit, error: typeof outcome === 'string' ? null : errorJson(outcome) };
};
