// --resolve: what the user says about the addresses of a host beats every lookup.
import type { Connection } from './connection.ts';

/** In the order given; empty where nothing was said of this host and port. */
export const overridesFor = (connection: Connection, host: string, port: number): string[] =>
  connection.overrides
    .filter((one) => one.host.toLowerCase() === host.toLowerCase() && one.port === port)
    .map((one) => one.address);
