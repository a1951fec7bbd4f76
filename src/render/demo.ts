// The demo for people: what is done, how one would type it, and what that command prints.
import type { DemoStep } from '../app/demo.ts';
import { renderMailbox } from './fetch.ts';
import { renderMessage } from './inspect.ts';
import { renderRelayTest } from './relay-test.ts';
import { safe } from './safe.ts';
import { renderSend } from './send.ts';
import type { Style } from './style.ts';
import { renderTranscript } from './transcript.ts';

export function renderDemoStep(number: number, step: DemoStep, style: Style, helo: string): string {
  const head = `${style('strong', `${number}. ${safe(step.title)}`)}\n`;
  const typed = step.command === null ? '' : `${style('accent', `$ ${safe(step.command)}`)}\n`;
  const held = step.ok ? style('good', 'held') : style('bad', 'DID NOT HOLD');
  return `${head}${typed}\n${indent(content(step, style, helo))}\n   ${held}\n\n`;
}

function content(step: DemoStep, style: Style, helo: string): string {
  switch (step.name) {
    case 'serve':
      return `${step.zone}\nlistening: ${step.urls.map(safe).join('   ')}\n`;
    case 'relay-test':
      return renderRelayTest(step.report, style, { helo, queries: false });
    case 'send':
      return renderTranscript(step.transcript, style) + renderSend(step.report, style, false);
    case 'fetch':
      return renderMailbox(step.report, style);
    case 'inspect':
      return renderMessage(step.report, style);
    case 'compare':
      return step.checks
        .map(
          ({ what, ok, detail }) =>
            `${ok ? style('good', 'identical') : style('bad', 'DIFFERS')}  ${what}: ${safe(detail)}\n`,
        )
        .join('');
  }
}

const indent = (text: string): string =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => (line === '' ? '' : `   ${line}`))
    .join('\n');
