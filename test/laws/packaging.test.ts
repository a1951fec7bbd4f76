// What is published and what it brings along: few files, pinned packages with integrity, nothing that runs at installation.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { version } from '../../src/base/version.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface LockedPackage {
  version?: string;
  resolved?: string;
  integrity?: string;
  dev?: boolean;
  optional?: boolean;
  link?: boolean;
  hasInstallScript?: boolean;
}

const readJson = (name: string) => JSON.parse(readFileSync(`${root}${name}`, 'utf8'));
const manifest = readJson('package.json');
const locked: [string, LockedPackage][] = Object.entries<LockedPackage>(readJson('package-lock.json').packages).filter(
  ([path]) => path !== '',
);
const nameOf = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

describe('the lockfile', () => {
  test('has an integrity for every package', () => {
    assert.deepEqual(
      locked.filter(([, { integrity }]) => !/^sha512-/.test(integrity ?? '')).map(([path]) => path),
      [],
    );
    assert.ok(locked.length > 20);
  });

  test('has no runtime package that runs something at installation', () => {
    const running = locked.filter(([, { dev, hasInstallScript }]) => !dev && hasInstallScript);
    assert.deepEqual(
      running.map(([path]) => path),
      [],
    );
  });

  test('has one copy of each mail library', () => {
    for (const name of ['nodemailer', 'mailparser', 'dns-packet']) {
      assert.equal(locked.filter(([path]) => nameOf(path) === name).length, 1, name);
    }
  });

  test('pins every direct dependency to one version, the one that is locked', () => {
    const direct = Object.entries<string>({ ...manifest.dependencies, ...manifest.devDependencies });
    for (const [name, wanted] of direct) {
      assert.match(wanted, /^\d+\.\d+\.\d+$/, name);
      assert.equal(locked.find(([path]) => path === `node_modules/${name}`)?.[1].version, wanted, name);
    }
  });
});

describe('the package', () => {
  test('says the version that --version prints', () => assert.equal(manifest.version, version));

  test('has no script that runs where it is installed', () => {
    for (const hook of ['preinstall', 'install', 'postinstall']) assert.equal(manifest.scripts[hook], undefined);
  });

  test('holds built code and papers, nothing else', () => {
    const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'], {
      cwd: root,
      encoding: 'utf8',
    });
    const files: string[] = JSON.parse(output)[0].files.map(({ path }: { path: string }) => path);
    const allowed =
      /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|SECURITY\.md|docs\/[a-z-]+\.md|bin\/(ehlo\.js|package\.json)|dist\/.+\.(cjs|txt|json|css|html|svg))$/;
    assert.deepEqual(
      files.filter((path) => !allowed.test(path)),
      [],
    );
    assert.ok(files.includes('bin/ehlo.js') && files.includes('LICENSE'));
  });
});
