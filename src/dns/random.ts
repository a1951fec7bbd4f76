// The default randomness of dns/: numbers 0 <= n < 1 that nobody can foretell (query ids, RFC 5452 9.2).
import { randomInt } from 'node:crypto';

export const cryptoRandom = (): number => randomInt(0x1_0000_0000) / 0x1_0000_0000;
