// `ehlo queue` as a command: actions and their options, JSON, the spool's place, and the route from options and back.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Command } from 'commander';
import { normalControl } from '../../src/app/control.ts';
import { enqueue } from '../../src/app/queue.ts';
import { bytesSource } from '../../src/base/bytes.ts';
import { EhloError } from '../../src/base/errors.ts';
import { queueCommand } from '../../src/cli/commands/queue.ts';
import { addConnectionOptions } from '../../src/cli/options.ts';
import { connectionOf, hasRouteRow, routeOf } from '../../src/cli/route.ts';
import { openSpoolFor, spoolDirectory } from '../../src/cli/spool-directory.ts';
import { type TestContext, testContext } from '../support/context.ts';

const home = mkdtempSync(join(tmpdir(), 'ehlo-queue-cli-'));
after(() => rmSync(home, { recursive: true, force: true }));
let count = 0;

/** A context whose state directory is its own. */
const fresh = (given: Parameters<typeof testContext>[0] = {}): TestContext => {
  const state = join(home, String(++count));
  mkdirSync(state);
  return testContext({ ...given, env: { XDG_STATE_HOME: state } });
};

async function queued(context: TestContext, subject = 'hi\u001b[31m'): Promise<string> {
  const spool = await openSpoolFor(undefined, context);
  const entry = await enqueue(
    spool,
    {
      envelope: { from: 'a@x.test', to: [{ address: 'b@y.test' }] },
      message: {
        source: bytesSource(Buffer.from(`Subject: ${subject}\r\n\r\nbody\r\n`)),
        eightBit: false,
        utf8Headers: false,
      },
      messageId: null,
      route: routeOf({ server: 'smtp://mx.y.test', ca: 'ca.pem', ipv4: true }),
      onReject: 'continue',
    },
    context.ports.clock,
  );
  await spool.close();
  return entry?.id ?? '';
}

const run = (context: TestContext, args: string[], options: Record<string, unknown> = {}): Promise<number> =>
  queueCommand.run(args, options, context);

test('nothing was ever queued: an empty list, nothing to run, and no directory made', async () => {
  const context = fresh();
  assert.equal(await run(context, []), 0);
  assert.match(context.stdout.text, /^the queue is empty/);
  assert.equal(await run(context, ['run']), 0);
  assert.equal(context.stderr.text, 'nothing is due\n');
  await assert.rejects(run(context, ['show', 'x']), { code: 'no-input' });
  await assert.rejects(run(context, ['list'], { spool: join(home, 'none') }), { code: 'no-input' });
});

test('list and show for people hold nothing raw; show --raw holds every byte', async () => {
  const context = fresh();
  const id = await queued(context);
  await run(context, ['list']);
  assert.match(
    context.stdout.text,
    new RegExp(`^${id}  waiting  .*from a@x.test  next now\n  b@y.test  waiting\n1 message, `),
  );
  context.stdout.text = '';
  await run(context, ['show', id]);
  assert.match(context.stdout.text, /Subject: hi\\x1b\[31m\n/);
  assert.match(context.stdout.text, /--server smtp:\/\/mx\.y\.test/);
  context.stdout.text = '';
  await run(context, ['show', id], { raw: true });
  assert.equal(context.stdout.text, 'Subject: hi\u001b[31m\r\n\r\nbody\r\n');
});

test('--json: one document with what the contract names', async () => {
  const context = fresh({ format: 'json' });
  const id = await queued(context);
  await run(context, ['list']);
  const document = JSON.parse(context.stdout.text);
  assert.deepEqual(
    [document.command, document.action, document.ok, document.exit, document.error],
    ['queue', 'list', true, { code: 0, name: 'OK' }, null],
  );
  const [entry] = document.entries;
  assert.deepEqual(
    [entry.id, entry.from, entry.size, entry.state, entry.recipients[0].address],
    [id, 'a@x.test', Buffer.byteLength('Subject: hi\u001b[31m\r\n\r\nbody\r\n'), 'waiting', 'b@y.test'],
  );
  context.stdout.text = '';
  assert.equal(await run(context, ['drop', id, 'none']), 66);
  const dropped = JSON.parse(context.stdout.text);
  assert.deepEqual(
    dropped.entries.map((one: { done: boolean }) => one.done),
    [true, false],
  );
  assert.equal(dropped.error.code, 'no-input');
});

test('run fails for good reason where no password is to be had, and says which entry waits', async () => {
  const context = fresh({ format: 'ndjson' });
  const spool = await openSpoolFor(undefined, context);
  const entry = await enqueue(
    spool,
    {
      envelope: { from: 'a@x.test', to: [{ address: 'b@y.test' }] },
      message: { source: bytesSource(Buffer.from('x: y\r\n\r\n')), eightBit: false, utf8Headers: false },
      messageId: null,
      route: routeOf({ server: 'smtp://me@mx.y.test', passwordEnv: 'NO_SUCH_VARIABLE' }),
      onReject: 'continue',
    },
    context.ports.clock,
  );
  await spool.close();
  assert.equal(await run(context, ['run']), 64);
  const [event, report] = context.stdout.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual([event.event, event.id, event.result, event.error.code], ['entry', entry?.id, 'waiting', 'usage']);
  assert.equal(report.event, 'report');
});

test('what is broken is listed, fails a run, and goes only by force', async () => {
  const context = fresh();
  const id = await queued(context);
  truncateSync(join(spoolDirectory(undefined, context.env), `${id}.json`), 5);
  await run(context, ['list']);
  assert.match(context.stdout.text, /broken {2}its metadata is not JSON/);
  assert.equal(await run(context, ['run']), 74);
  assert.equal(await run(context, ['drop', id]), 74);
  assert.equal(await run(context, ['drop', id], { force: true }), 0);
  context.stdout.text = '';
  await run(context, ['list']);
  assert.match(context.stdout.text, /^the queue is empty/);
});

const usage: [string[], Record<string, unknown>, RegExp][] = [
  [['flush'], {}, /no action of queue/],
  [['list', 'x'], {}, /list takes no ids/],
  [['show'], {}, /show takes one id/],
  [['hold'], {}, /hold needs the id/],
  [['list'], { raw: true }, /--raw belongs to show/],
  [['hold', 'x'], { force: true }, /--force belongs to release and drop/],
  [['run'], { jobs: '0' }, /--jobs/],
  [['run', 'x'], { all: true }, /--all and ids/],
  [['run', 'x'], { watch: true }, /--watch is for the whole queue/],
  [['run'], { interval: '10s' }, /--interval needs --watch/],
];
for (const [args, options, wanted] of usage) {
  test(`ehlo queue ${args.join(' ')} ${JSON.stringify(options)} is refused`, async () => {
    const context = fresh();
    await queued(context);
    await assert.rejects(run(context, args, options), (thrown) => {
      assert.ok(thrown instanceof EhloError && thrown.code === 'usage', String(thrown));
      assert.match(thrown.message, wanted);
      return true;
    });
  });
}

test('--watch has no one document', async () => {
  await assert.rejects(run(fresh({ format: 'json' }), ['run'], { watch: true }), /no end to make one document of/);
});

test('the spool is where XDG says, and a relative XDG_STATE_HOME says nothing', () => {
  assert.equal(spoolDirectory('/a/b', {}), '/a/b');
  assert.equal(spoolDirectory(undefined, { XDG_STATE_HOME: '/s' }), '/s/ehlo/spool');
  assert.equal(spoolDirectory(undefined, { XDG_STATE_HOME: 's', HOME: '/h' }), '/h/.local/state/ehlo/spool');
});

test('of every connection option it is said whether a route keeps it', () => {
  const command = new Command();
  addConnectionOptions(command, 'send');
  const missing = command.options.map((option) => option.name()).filter((name) => !hasRouteRow(name));
  assert.deepEqual(missing, [], 'a new option needs a row in src/cli/route.ts');
});

test('a route gives the connection that the options gave', async () => {
  const route = routeOf({
    server: 'smtp://me@mx.test:2525',
    passwordEnv: 'PW',
    tls: 'required',
    ipv4: true,
    resolve: ['h:25:127.0.0.1'],
    from: 'x',
    timeout: '3s',
  });
  assert.deepEqual(route.options, {
    server: 'smtp://me@mx.test:2525',
    ipv4: true,
    resolve: ['h:25:127.0.0.1'],
    timeout: '3s',
    tls: 'required',
    'password-env': 'PW',
  });
  const connection = await connectionOf(JSON.parse(JSON.stringify(route)), testContext({ env: { PW: 'secret' } }));
  assert.deepEqual(
    [
      connection.server?.host,
      connection.server?.port,
      connection.tls,
      connection.family,
      connection.overrides.length,
      connection.deadlines.reply,
    ],
    ['mx.test', 2525, 'required', 4, 1, 3000],
  );
  assert.equal(connection.credentials?.password?.reveal(), 'secret');
});

test('files of a route are absolute; a question is never asked again; session control is refused', async () => {
  assert.equal(routeOf({ server: 'h', ca: 'ca.pem' }).options['ca'], join(process.cwd(), 'ca.pem'));
  await assert.rejects(
    connectionOf({ options: { server: 'smtp://me@h' }, pipelining: true }, testContext({ interactive: true })),
    /there is nobody to ask/,
  );
  assert.throws(
    () => routeOf({ server: 'h' }, { ...normalControl, commands: ['VRFY x'] }),
    /cannot be kept for later tries/,
  );
  assert.deepEqual(routeOf({ server: 'h' }, { ...normalControl, require: ['DSN'] }).control?.require, ['DSN']);
});

test('on a terminal show --raw lets no escape of the message through', async () => {
  const context = fresh();
  const id = await queued(context);
  context.stdout.isTTY = true;
  await run(context, ['show', id], { raw: true });
  assert.equal(context.stdout.text, 'Subject: hi\\x1b[31m\n\nbody\n');
});

test('what a configuration says of servers does not stand in the way of a queued --pipe', async () => {
  const route = routeOf({ pipe: 'nc mail 25', server: 'mx:', dns: '127.0.0.1:53', ipv4: true, timeout: '3s' });
  assert.deepEqual(route.options, { pipe: 'nc mail 25', timeout: '3s' });
  assert.equal((await connectionOf(route, testContext())).pipe, 'nc mail 25');
});

test('--strict holds for later tries too', async () => {
  const context = fresh();
  const spool = await openSpoolFor(undefined, context);
  const route = routeOf({ server: 'h' }, { ...normalControl, strict: true });
  const id = await enqueue(
    spool,
    {
      envelope: { from: 'a@x.test', to: [{ address: 'b@y.test' }] },
      message: { source: bytesSource(Buffer.from('x: y\r\n\r\n')), eightBit: false, utf8Headers: false },
      messageId: null,
      route,
      onReject: 'continue',
    },
    context.ports.clock,
  );
  const item = await spool.find(id?.id ?? '');
  await spool.close();
  assert.equal(item?.kind === 'entry' && item.entry.route.control?.strict, true);
});
