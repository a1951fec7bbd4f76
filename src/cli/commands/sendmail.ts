// `ehlo sendmail`: the front is in front/sendmail.ts, which reads its own arguments.
import type { FrontCommand } from '../command.ts';
import { sendmail } from '../front/sendmail.ts';

export const sendmailCommand: FrontCommand = { front: sendmail };
