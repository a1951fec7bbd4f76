// Media types by the extension of a file name: the ones that mail carries most, and those that nodemailer's table lacks or
// has under an old name. What is not here, compose.ts asks nodemailer.

const table = {
  'application/gzip': 'gz tgz',
  'application/json': 'json',
  'application/pdf': 'pdf',
  'application/toml': 'toml',
  'application/wasm': 'wasm',
  'application/x-sh': 'sh',
  'application/yaml': 'yaml yml',
  'application/zip': 'zip',
  'audio/mpeg': 'mp3',
  'image/avif': 'avif',
  'image/gif': 'gif',
  'image/heic': 'heic',
  'image/jpeg': 'jpg jpeg',
  'image/png': 'png',
  'image/svg+xml': 'svg',
  'image/webp': 'webp',
  'text/calendar': 'ics',
  'text/css': 'css',
  'text/csv': 'csv',
  'text/html': 'html htm',
  'text/javascript': 'js mjs',
  'text/markdown': 'md',
  'text/plain': 'txt log',
  'text/vcard': 'vcf',
  'text/x-diff': 'diff patch',
  'video/mp4': 'mp4',
} as const;

const byExtension: ReadonlyMap<string, string> = new Map(
  Object.entries(table).flatMap(([type, extensions]) => extensions.split(' ').map((extension) => [extension, type])),
);

export const mediaType = (filename: string): string | undefined =>
  byExtension.get(/\.([^.]+)$/.exec(filename)?.[1]?.toLowerCase() ?? '');
