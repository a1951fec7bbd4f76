// Help texts: the page of the whole tool from a static table, and the head of a command's page with its examples first.
import type { Command } from 'commander';

export interface Example {
  line: string;
  says: string;
}

/** Called by a command's define(): purpose in one line, then examples, then commander's usage and options. */
export function introduce(command: Command, purpose: string, examples: readonly Example[]): void {
  const shown = examples.map(({ line, says }) => `  # ${says}\n  ${line}`).join('\n\n');
  command.addHelpText('before', `${command.name()}: ${purpose}\n\nExamples:\n${shown}\n`);
}

export function topHelp(summaries: readonly { name: string; summary: string }[]): string {
  const column = Math.max(...summaries.map(({ name }) => name.length)) + 2;
  const list = summaries.map(({ name, summary }) => `  ${name.padEnd(column)}${summary}`).join('\n');
  return `ehlo: a command-line mail toolkit

Examples:
  # send a message through a server, body from standard input
  echo hello | ehlo send --server localhost:1025 --from me@example.com you@example.org

  # walk what a sending server would do for an address, without sending
  ehlo relay-test you@example.org

  # a throwaway SMTP and POP3 server on free ports
  ehlo serve

Usage: ehlo <command> [options] [arguments]

Commands:
${list}

Global options:
  -v, --verbose    show the conversation; -vv adds DNS queries, TLS details and timings
  -q, --quiet      nothing but errors
  --json           one JSON document on stdout, also on failure
  --ndjson         one JSON event a line on stdout, as it happens
  --color <when>   colours: auto, always or never
  --no-input       never ask a question
  -P, --profile    take the options of this profile of the configuration
  --config <file>  read this configuration too; it beats the other files
  -V, --version    show the version
  -h, --help       show this help; ehlo <command> --help shows a command's
`;
}
