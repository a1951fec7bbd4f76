// `ehlo swaks`: the front is in front/swaks.ts, which reads its own arguments.
import type { FrontCommand } from '../command.ts';
import { swaks } from '../front/swaks.ts';

export const swaksCommand: FrontCommand = { front: swaks };
