// Sizes and times for people. JSON has plain bytes and milliseconds.

/** `512 B`, `1.5 kB`, `20 MB`, of 1024 as in the options. */
export function printSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), 4);
  return `${short(bytes / 1024 ** power)} ${' kMGT'[power]}B`;
}

/** `0.4 ms`, `12 ms`, `1.2 s`, `3m 20s`, `2h 5m`, `1d 3h`. */
export function printDuration(ms: number): string {
  if (ms < 0) return `-${printDuration(-ms)}`;
  if (ms < 999.5) return `${short(ms)} ms`;
  if (ms < 59_950) return `${short(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return two(seconds, 60, 'm', 's');
  const minutes = Math.round(seconds / 60);
  return minutes < 1440 ? two(minutes, 60, 'h', 'm') : two(Math.round(minutes / 60), 24, 'd', 'h');
}

/** One decimal below ten, none above, and no `.0`. */
const short = (value: number): string => (value < 9.95 ? value.toFixed(1).replace(/\.0$/, '') : value.toFixed(0));

const two = (value: number, base: number, large: string, small: string): string => {
  const rest = value % base;
  return `${Math.floor(value / base)}${large}${rest ? ` ${rest}${small}` : ''}`;
};
