// The entry: the table of commands, each behind its own import, and the start. Kept small: every run pays for this file.
import { type CommandEntry, runProgram } from './program.ts';

const commands: CommandEntry[] = [
  {
    name: 'send',
    summary: 'compose a message, or take one as it is, and hand it to a mail server',
    load: async () => (await import('./commands/send.ts')).sendCommand,
  },
  {
    name: 'relay-test',
    summary: 'walk DNS and every hop that a sending server would, and say what would happen',
    load: async () => (await import('./commands/relay-test.ts')).relayTestCommand,
  },
  {
    name: 'inspect',
    summary: 'take a message or a server apart, and say what is wrong with it',
    load: async () => (await import('./commands/inspect.ts')).inspectCommand,
  },
  {
    name: 'serve',
    summary: 'run a throwaway SMTP and POP3 server on this machine',
    load: async () => (await import('./commands/serve.ts')).serveCommand,
  },
  {
    name: 'fetch',
    summary: 'list, fetch or delete the messages of a POP3 mailbox',
    load: async () => (await import('./commands/fetch.ts')).fetchCommand,
  },
  {
    name: 'sendmail',
    summary: 'take a message from a program, as /usr/sbin/sendmail does',
    load: async () => (await import('./commands/sendmail.ts')).sendmailCommand,
  },
  {
    name: 'swaks',
    summary: 'the options, transcript and exit codes of swaks on this engine',
    load: async () => (await import('./commands/swaks.ts')).swaksCommand,
  },
  {
    name: 'queue',
    summary: 'send, list, hold or drop the messages that wait in the spool',
    load: async () => (await import('./commands/queue.ts')).queueCommand,
  },
  {
    name: 'config',
    summary: 'write, show and check the configuration, or take over one of msmtp',
    load: async () => (await import('./commands/config.ts')).configCommand,
  },
  {
    name: 'demo',
    summary: 'show the whole loop on this machine, step by step',
    load: async () => (await import('./commands/demo.ts')).demoCommand,
  },
];

void runProgram(process.argv.slice(2), commands);
