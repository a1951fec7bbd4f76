// The floors: which folder of src/ may import from which, and where each package and each part of the outside is allowed.

/** A folder imports only from what its row names (and from itself). Contracts are files of types that stand for a floor above. */
const contracts = ['dns/dns', 'app/ports', 'app/fetch-output', 'app/spool', 'store/store'].map(
  (file) => `^src/${file}\\.ts$`,
);
const floors = {
  base: [],
  wire: ['base'],
  // The mail floor: one storey, with the few doors between its rooms named here.
  sasl: ['base', 'wire'],
  dns: ['base', 'wire'],
  message: ['base', 'wire'],
  smtp: ['base', 'wire', 'sasl', '^src/store/store\\.ts$'],
  pop3: ['base', 'wire', 'sasl', '^src/store/store\\.ts$'],
  policy: ['base', 'wire', 'dns', 'message'],
  app: ['base', 'wire', 'sasl', 'smtp', 'pop3', 'dns', 'policy', 'message', '^src/store/store\\.ts$'],
  web: ['base', 'wire', 'message', 'app', '^src/store/store\\.ts$'],
  render: ['base', 'wire', 'sasl', 'smtp', 'pop3', 'dns', 'policy', 'message', 'app'],
  net: ['base', 'wire', ...contracts],
  store: ['base', 'wire', ...contracts],
};

const floorRules = Object.entries(floors).map(([folder, allowed]) => ({
  name: `floor-${folder}`,
  comment: `src/${folder} may import only from ${allowed.join(', ') || 'nothing else in src'}`,
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: {
    path: '^src/',
    pathNot: [`^src/${folder}/`, ...allowed.map((one) => (one.startsWith('^') ? one : `^src/${one}/`))],
  },
}));

/** Each package has its one place; a package that is not in this table may not be imported at all. */
const packages = {
  chalk: '^src/render/',
  ora: '^src/render/',
  commander: '^src/cli/',
  inquirer: '^src/cli/prompts\\.ts$',
  nodemailer: '^src/(message/(compose|well-known)|net/oauth2)\\.ts$',
  mailparser: '^src/message/decode\\.ts$',
  'dns-packet': '^src/dns/codec\\.ts$',
  'csv-parse': '^src/store/csv\\.ts$',
  'smol-toml': '^src/cli/config-file\\.ts$',
  socks: '^src/net/proxy\\.ts$',
};

/** As resolved (node_modules/...), and as written where only the types are installed. */
const packagePath = (name) => `(^|/)node_modules/(@types/)?${name}(/|$)|^(@types/)?${name}(/|$)`;

const packageRules = Object.entries(packages).map(([name, place]) => ({
  name: `package-${name}`,
  comment: `${name} is imported only by ${place}`,
  severity: 'error',
  from: { path: '^src/', pathNot: place },
  to: { path: packagePath(name) },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...floorRules,
    ...packageRules,
    {
      name: 'package-unknown',
      comment: 'a package enters with a row in the table of this file',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown', 'undetermined'],
        pathNot: Object.keys(packages).map(packagePath),
      },
    },
    {
      name: 'outside',
      comment: 'sockets, files, processes and the system resolver are touched in net/ and store/ only',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(net|store)/' },
      to: {
        dependencyTypes: ['core'],
        path: '^(node:)?(net|tls|dgram|http|https|http2|fs|fs/promises|dns|dns/promises|child_process|cluster|worker_threads)$',
      },
    },
    {
      name: 'no-cycles',
      comment: 'data takes one road',
      severity: 'error',
      from: {},
      // Types may look at each other; what runs may not.
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'unresolvable',
      severity: 'error',
      from: { path: '^src/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'tests-stay-out',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
