// SASL: the vectors of the RFCs, our client against our server for every mechanism, and servers and clients that misbehave.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EhloError } from '../../src/base/errors.ts';
import { Scrubber, Secret } from '../../src/base/secret.ts';
import { fromBase64, parseInitial, printInitial } from '../../src/sasl/base64.ts';
import {
  chooseMechanism,
  clientMechanisms,
  createSaslClient,
  createSaslServer,
  exposureOf,
  secretForms,
  serverMechanisms,
} from '../../src/sasl/mechanisms.ts';
import { oauthBearerMessage } from '../../src/sasl/oauthbearer.ts';
import type { Accounts, ChannelBinding, Credentials, SaslClient, SaslServer, SaslStep } from '../../src/sasl/sasl.ts';
import { scramClient } from '../../src/sasl/scram.ts';
import { scramServer } from '../../src/sasl/scram-server.ts';

const withPassword = (user: string, password: string): Credentials => ({ user, password: new Secret(password) });
const withToken = (user: string, token: string): Credentials => ({ user, token: new Secret(token) });
const only = (user: string, password: string): Accounts => ({
  passwordOf: (name) => (name === user ? new Secret(password) : undefined),
});
const anyone: Accounts = { passwordOf: () => 'any' };

/** For the -PLUS forms; what they do with them is in channel-binding.test.ts. */
const bindings: ChannelBinding[] = [{ type: 'tls-exporter', bytes: Buffer.alloc(32, 7) }];

const fails = (code: string) => (thrown: unknown) => {
  assert.ok(thrown instanceof EhloError, String(thrown));
  assert.equal(thrown.code, code);
  return true;
};

/** Runs both ends against each other and tells what the server decided. */
function converse(client: SaslClient, server: SaslServer, initial: 'inline' | 'asked' = 'inline'): SaslStep {
  let pending = initial === 'inline' ? undefined : client.initial;
  let step = server.start(initial === 'inline' ? client.initial : undefined);
  for (let round = 0; step.kind === 'challenge'; round++) {
    assert.ok(round < 5, 'the exchange comes to an end');
    const answer = pending ?? client.next(step.bytes);
    pending = undefined;
    step = server.next(answer);
  }
  if (step.kind === 'done') client.finish();
  return step;
}

describe('vectors', () => {
  test('PLAIN (RFC 4616 4)', () => {
    assert.equal(
      createSaslClient('PLAIN', withPassword('tim', 'tanstaaftanstaaf')).initial?.toString(),
      '\0tim\0tanstaaftanstaaf',
    );
  });

  test('CRAM-MD5 (RFC 2195 2)', () => {
    const client = createSaslClient('CRAM-MD5', withPassword('tim', 'tanstaaftanstaaf'));
    assert.equal(
      client.next(Buffer.from('<1896.697170952@postoffice.reston.mci.net>')).toString(),
      'tim b913a602c7eda7a495b4e6e7334d3890',
    );
  });

  test('OAUTHBEARER (RFC 7628 4.1)', () => {
    const server = { host: 'server.example.com', port: 143 };
    assert.equal(
      oauthBearerMessage('user@example.com', 'vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==', server).toString(),
      'n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01',
    );
  });

  test('XOAUTH2', () => {
    assert.equal(
      createSaslClient('XOAUTH2', withToken('someuser@example.com', 'ya29.vF9dft4qmTc2')).initial?.toString(),
      'user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2\x01\x01',
    );
  });

  const scram = [
    {
      name: 'SCRAM-SHA-1 (RFC 5802 5)',
      hash: 'sha1' as const,
      nonce: 'fyko+d2lbbFgONRv9qkxdawL',
      serverPart: '3rfcNHYJY1ZVvWVs7j',
      salt: 'QSXCR+Q6sek8bf92',
      proof: 'v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
      signature: 'rmF9pqV8S7suAoZWja4dJRkFsKQ=',
    },
    {
      name: 'SCRAM-SHA-256 (RFC 7677 3)',
      hash: 'sha256' as const,
      nonce: 'rOprNGfwEbeRWgbNEkqO',
      serverPart: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
      salt: 'W22ZaJ0SNY7soEsUEjb6gQ==',
      proof: 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
      signature: '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    },
  ];
  for (const { name, hash, nonce, serverPart, salt, proof, signature } of scram) {
    const serverFirst = `r=${nonce}${serverPart},s=${salt},i=4096`;
    const clientFinal = `c=biws,r=${nonce}${serverPart},p=${proof}`;

    test(`${name}, the client`, () => {
      const client = scramClient(hash, withPassword('user', 'pencil'), { nonce: () => nonce });
      assert.equal(client.initial?.toString(), `n,,n=user,r=${nonce}`);
      assert.equal(client.next(Buffer.from(serverFirst)).toString(), clientFinal);
      assert.equal(client.next(Buffer.from(`v=${signature}`)).length, 0);
      client.finish();
    });

    test(`${name}, the server`, () => {
      const server = scramServer(hash, only('user', 'pencil'), {
        nonce: () => serverPart,
        salt: () => Buffer.from(salt, 'base64'),
      });
      const text = (step: SaslStep) => (step.kind === 'challenge' ? step.bytes.toString() : step.kind);
      assert.equal(text(server.start(Buffer.from(`n,,n=user,r=${nonce}`))), serverFirst);
      assert.equal(text(server.next(Buffer.from(clientFinal))), `v=${signature}`);
      assert.deepEqual(server.next(Buffer.alloc(0)), { kind: 'done', identity: 'user' });
    });
  }
});

describe('our client and our server', () => {
  const passwordMechanisms = ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-1', 'SCRAM-SHA-256'];
  const tokenMechanisms = ['XOAUTH2', 'OAUTHBEARER'];
  const users = ['bob', 'bob@example.com', 'a,b=c', 'Zoë', 'with space'];
  for (const mechanism of [...passwordMechanisms, ...tokenMechanisms]) {
    const make = tokenMechanisms.includes(mechanism) ? withToken : withPassword;
    for (const user of users) {
      for (const initial of ['inline', 'asked'] as const) {
        test(`${mechanism} lets ${user} in with the right secret (${initial})`, () => {
          const step = converse(
            createSaslClient(mechanism, make(user, 'right-one')),
            createSaslServer(mechanism, only(user, 'right-one')),
            initial,
          );
          assert.deepEqual(step, { kind: 'done', identity: user });
        });
      }
    }

    test(`${mechanism} refuses a wrong secret, and an unknown user in the same words`, () => {
      const wrong = converse(
        createSaslClient(mechanism, make('bob', 'wrong-one')),
        createSaslServer(mechanism, only('bob', 'right-one')),
      );
      const unknown = converse(
        createSaslClient(mechanism, make('eve', 'right-one')),
        createSaslServer(mechanism, only('bob', 'right-one')),
      );
      assert.equal(wrong.kind, 'failed');
      assert.deepEqual(unknown, wrong);
    });
  }

  test('a password with Unicode means the same however it is composed', () => {
    for (const mechanism of ['SCRAM-SHA-1', 'SCRAM-SHA-256']) {
      const step = converse(
        createSaslClient(mechanism, withPassword('bob', 'cafe\u0301\u00a0\u00adx')),
        createSaslServer(mechanism, only('bob', 'caf\u00e9 x')),
      );
      assert.equal(step.kind, 'done');
    }
  });

  test('where any password is right, every mechanism that is offered works', () => {
    const offered = serverMechanisms(anyone);
    assert.ok(!offered.some((name) => name.startsWith('SCRAM')));
    for (const mechanism of offered) {
      const make = tokenMechanisms.includes(mechanism) ? withToken : withPassword;
      const step = converse(createSaslClient(mechanism, make('bob', 'x')), createSaslServer(mechanism, anyone));
      assert.deepEqual(step, { kind: 'done', identity: 'bob' }, mechanism);
    }
  });

  test('every password of printable text goes through every mechanism', () => {
    const text = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .filter((one) => !/[\p{Cc}\p{Cs}]/u.test(one));
    fc.assert(
      fc.property(text, fc.constantFrom(...passwordMechanisms.slice(0, 3)), (password, mechanism) => {
        const step = converse(
          createSaslClient(mechanism, withPassword('bob', password)),
          createSaslServer(mechanism, only('bob', password)),
        );
        assert.equal(step.kind, 'done');
      }),
    );
  });
});

describe('a hostile server', () => {
  const nonce = 'fyko+d2lbbFgONRv9qkxdawL';
  const first = (text: string) => () =>
    scramClient('sha256', withPassword('user', 'pencil'), { nonce: () => nonce }).next(Buffer.from(text, 'latin1'));
  const salt = 'W22ZaJ0SNY7soEsUEjb6gQ==';
  const scramCases: [name: string, challenge: string, code: string][] = [
    ['a nonce that is not ours', `r=other,s=${salt},i=4096`, 'peer-lied'],
    ['our nonce with nothing added', `r=${nonce},s=${salt},i=4096`, 'peer-lied'],
    ['too few rounds', `r=${nonce}x,s=${salt},i=4095`, 'reply-unexpected'],
    ['one round', `r=${nonce}x,s=${salt},i=1`, 'reply-unexpected'],
    ['too many rounds', `r=${nonce}x,s=${salt},i=1000001`, 'reply-unexpected'],
    ['rounds that are no number', `r=${nonce}x,s=${salt},i=1e4`, 'reply-malformed'],
    ['negative rounds', `r=${nonce}x,s=${salt},i=-4096`, 'reply-malformed'],
    ['a salt that is not base64', `r=${nonce}x,s=a,i=4096`, 'reply-malformed'],
    ['no salt', `r=${nonce}x,s=,i=4096`, 'reply-malformed'],
    ['an extension that must be understood', `m=x,r=${nonce}x,s=${salt},i=4096`, 'reply-malformed'],
    ['a line end inside', `r=${nonce}x\r\n,s=${salt},i=4096`, 'reply-malformed'],
    ['a NUL inside', `r=${nonce}\0,s=${salt},i=4096`, 'reply-malformed'],
    ['broken UTF-8', `r=${nonce}\xff,s=${salt},i=4096`, 'reply-malformed'],
    ['nothing', '', 'reply-malformed'],
    ['20 kB', `r=${nonce}${'x'.repeat(20_000)},s=${salt},i=4096`, 'reply-too-long'],
  ];
  for (const [name, challenge, code] of scramCases) {
    test(`SCRAM: ${name} is ${code}`, () => assert.throws(first(challenge), fails(code)));
  }

  const toFinal = () => {
    const client = scramClient('sha256', withPassword('user', 'pencil'), { nonce: () => nonce });
    client.next(Buffer.from(`r=${nonce}x,s=${salt},i=4096`));
    return client;
  };
  const finals: [name: string, text: string, code: string][] = [
    ['a wrong signature', 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=', 'peer-lied'],
    ['a short signature', 'v=6rri', 'peer-lied'],
    ['no signature', '', 'peer-lied'],
    ['an error', 'e=invalid-proof', 'auth-rejected'],
  ];
  for (const [name, text, code] of finals) {
    test(`SCRAM: ${name} at the end is ${code}`, () =>
      assert.throws(() => toFinal().next(Buffer.from(text)), fails(code)));
  }

  test('SCRAM: success without a proof of the server is no success, at any step', () => {
    const fresh = scramClient('sha256', withPassword('user', 'pencil'));
    assert.throws(() => fresh.finish(), fails('peer-lied'));
    assert.throws(() => toFinal().finish(), fails('peer-lied'));
  });

  test('CRAM-MD5: success without a challenge is no success', () => {
    assert.throws(() => createSaslClient('CRAM-MD5', withPassword('u', 'p')).finish(), fails('reply-out-of-turn'));
  });

  for (const challenge of ['', 'a b', 'a\r\nb', 'a\0b', '<a@b>\x7f', '\xff']) {
    test(`CRAM-MD5: the challenge ${JSON.stringify(challenge)} is refused`, () => {
      const client = createSaslClient('CRAM-MD5', withPassword('u', 'p'));
      assert.throws(() => client.next(Buffer.from(challenge, 'latin1')), fails('reply-malformed'));
    });
  }

  test('no mechanism answers more often than it has steps', () => {
    for (const mechanism of clientMechanisms) {
      const credentials: Credentials = { ...withPassword('u', 'p'), token: new Secret('t') };
      const client = createSaslClient(mechanism, credentials, { bindings });
      const ask = () => {
        for (let round = 0; round < 4; round++) client.next(Buffer.from('<1.2@example>'));
      };
      assert.throws(ask, EhloError, mechanism);
    }
  });

  test('only our errors, for any challenges', () => {
    const challenges = fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 3 });
    const anyMechanism = fc.constantFrom(...clientMechanisms);
    fc.assert(
      fc.property(anyMechanism, challenges, (mechanism, all) => {
        const credentials = { ...withPassword('u', 'p'), token: new Secret('t') };
        const client = createSaslClient(mechanism, credentials, { bindings });
        try {
          for (const bytes of all) client.next(Buffer.from(bytes));
          client.finish();
        } catch (thrown) {
          assert.ok(thrown instanceof EhloError, String(thrown));
        }
      }),
    );
  });
});

describe('a hostile client', () => {
  const accounts = only('user', 'pencil');
  const refused: [mechanism: string, ...responses: string[]][] = [
    ['PLAIN', ''],
    ['PLAIN', '\0user'],
    ['PLAIN', '\0user\0pencil\0'],
    ['PLAIN', 'admin\0user\0pencil'],
    ['PLAIN', '\0\0pencil'],
    ['PLAIN', '\0user\0\xff'],
    ['LOGIN', 'user\0'],
    ['LOGIN', 'user', 'pencil\0'],
    ['LOGIN', '', 'pencil'],
    ['CRAM-MD5', 'user'],
    ['CRAM-MD5', `user ${'0'.repeat(31)}`],
    ['CRAM-MD5', `user ${'0'.repeat(32)}`],
    ['SCRAM-SHA-256', 'n,,n=,r=abc'],
    ['SCRAM-SHA-256', 'p=tls-unique,,n=user,r=abc'],
    ['SCRAM-SHA-256', 'n,a=admin,n=user,r=abc'],
    ['SCRAM-SHA-256', 'n,,n=us=er,r=abc'],
    ['SCRAM-SHA-256', 'n,,n=user,r=abc', 'c=biws,r=abc,p=AAAA'],
    ['XOAUTH2', 'user=user\x01auth=Basic pencil\x01\x01'],
    ['XOAUTH2', 'user=\x01auth=Bearer pencil\x01\x01'],
    ['OAUTHBEARER', 'n,,\x01auth=Bearer pencil\x01\x01'],
    ['OAUTHBEARER', 'n,a=user,\x01host=x\x01\x01'],
  ];
  for (const [mechanism, ...responses] of refused) {
    test(`${mechanism} refuses ${JSON.stringify(responses)}`, () => {
      const server = createSaslServer(mechanism, accounts);
      let step = server.start(undefined);
      for (const response of responses) {
        assert.equal(step.kind, 'challenge');
        step = server.next(Buffer.from(response, 'latin1'));
      }
      assert.equal(step.kind, 'failed');
    });
  }

  test('a SCRAM proof cannot be tried twice in one exchange', () => {
    const client = scramClient('sha256', withPassword('user', 'pencil'), { nonce: () => 'abc' });
    const server = createSaslServer('SCRAM-SHA-256', accounts);
    const step = server.start(client.initial);
    assert.equal(step.kind, 'challenge');
    assert.equal(server.next(Buffer.from('c=biws,r=abc,p=AAAA')).kind, 'failed');
    assert.equal(server.next(client.next(step.kind === 'challenge' ? step.bytes : Buffer.alloc(0))).kind, 'failed');
  });

  test('an unknown user gets the same salt each time, as a known one does', () => {
    const saltOf = (user: string) => {
      const step = createSaslServer('SCRAM-SHA-256', accounts).start(Buffer.from(`n,,n=${user},r=abc`));
      return /,s=([^,]+)/.exec(step.kind === 'challenge' ? step.bytes.toString() : '')?.[1];
    };
    assert.ok(saltOf('user'));
    for (const user of ['user', 'nobody']) assert.equal(saltOf(user), saltOf(user));
    assert.notEqual(saltOf('user'), saltOf('nobody'));
  });

  test('only steps, for any responses', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...serverMechanisms(accounts, bindings)),
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 4 }),
        (mechanism, responses) => {
          const server = createSaslServer(mechanism, accounts, { bindings });
          server.start(undefined);
          for (const response of responses) assert.notEqual(server.next(Buffer.from(response)).kind, 'done');
        },
      ),
    );
  });
});

describe('the choice of a mechanism', () => {
  const password = withPassword('u', 'p');
  const token = withToken('u', 't');
  const rows: [
    offered: string[],
    wanted: string[] | undefined,
    credentials: Credentials,
    chosen: string | undefined,
  ][] = [
    [['PLAIN', 'LOGIN', 'SCRAM-SHA-256', 'CRAM-MD5'], undefined, password, 'SCRAM-SHA-256'],
    [['LOGIN', 'PLAIN'], undefined, password, 'PLAIN'],
    [['LOGIN'], undefined, password, 'LOGIN'],
    [['plain'], undefined, password, 'PLAIN'],
    [['PLAIN', 'XOAUTH2', 'OAUTHBEARER'], undefined, token, 'OAUTHBEARER'],
    [['PLAIN', 'XOAUTH2'], undefined, password, 'PLAIN'],
    [['PLAIN', 'SCRAM-SHA-256'], ['LOGIN', 'PLAIN'], password, 'PLAIN'],
    [['PLAIN', 'LOGIN'], ['login', 'plain'], password, 'LOGIN'],
    [['PLAIN'], ['SCRAM-SHA-256'], password, undefined],
    [['EXTERNAL', 'PLAIN'], undefined, password, 'PLAIN'],
    [['EXTERNAL'], undefined, password, undefined],
    [['EXTERNAL'], ['EXTERNAL'], password, 'EXTERNAL'],
    [['EXTERNAL'], undefined, { user: 'u' }, 'EXTERNAL'],
    [['GSSAPI', 'constructor', '__proto__'], undefined, password, undefined],
    [['__proto__'], ['__proto__'], password, undefined],
    [[], undefined, password, undefined],
  ];
  for (const [offered, wanted, credentials, chosen] of rows) {
    const what = credentials.password ? 'a password' : credentials.token ? 'a token' : 'neither';
    test(`of ${offered.join(' ')} with ${what}, asked for ${wanted?.join(' ') ?? 'nothing'}: ${chosen ?? 'none'}`, () => {
      assert.equal(chooseMechanism(offered, wanted, credentials), chosen);
    });
  }

  test('what a mechanism exposes is known, and the unknown counts as clear', () => {
    assert.equal(exposureOf('PLAIN'), 'clear');
    assert.equal(exposureOf('cram-md5'), 'digest');
    assert.equal(exposureOf('SCRAM-SHA-256'), 'none');
    assert.equal(exposureOf('constructor'), 'clear');
  });

  test('an unknown mechanism is auth-unavailable on both sides', () => {
    assert.throws(() => createSaslClient('NTLM', password), fails('auth-unavailable'));
    assert.throws(() => createSaslServer('EXTERNAL', anyone), fails('auth-unavailable'));
  });
});

describe('secrets', () => {
  test('credentials that no message can carry are a usage error that does not show them', () => {
    for (const [mechanism, credentials] of [
      ['PLAIN', withPassword('u', 'hunter2\nhunter2')],
      ['LOGIN', withPassword('u', 'hunter2\0')],
      ['XOAUTH2', withToken('u', 'hunter2\r\n')],
      ['SCRAM-SHA-256', withPassword('u\x01', 'hunter2')],
    ] as const) {
      assert.throws(
        () => createSaslClient(mechanism, credentials),
        (thrown: unknown) => fails('usage')(thrown) && !String(thrown).includes('hunter2'),
      );
    }
  });

  test('everything that a mechanism sends is masked by the forms that secretForms() gives', () => {
    const credentials: Credentials = { ...withPassword('bob', 'correct horse'), token: new Secret('ya29.token') };
    const scrubber = new Scrubber();
    for (const form of secretForms(credentials)) scrubber.add(form);
    for (const mechanism of ['PLAIN', 'XOAUTH2', 'OAUTHBEARER']) {
      const shown = scrubber.scrub(createSaslClient(mechanism, credentials).initial?.toString('base64') ?? '');
      assert.equal(shown, '<secret>', mechanism);
    }
    const login = createSaslClient('LOGIN', credentials);
    login.next(Buffer.alloc(0));
    assert.equal(scrubber.scrub(login.next(Buffer.alloc(0)).toString('base64')), '<secret>');
  });
});

test('base64 of an exchange is canonical or nothing; = is an empty initial response', () => {
  for (const text of ['QR==', 'QQ', 'QQ=', 'Q Q==', 'QQ==\n', '=', '-_-_', 'QQ==QQ==']) {
    assert.equal(fromBase64(text), undefined, text);
  }
  assert.deepEqual(fromBase64(''), Buffer.alloc(0));
  assert.deepEqual(parseInitial('='), Buffer.alloc(0));
  for (const bytes of [Buffer.alloc(0), Buffer.from('\0a\0b'), Buffer.from([255])]) {
    assert.deepEqual(parseInitial(printInitial(bytes) ?? ''), bytes);
  }
});
