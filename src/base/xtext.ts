// xtext (RFC 3461 4): printable ASCII without + and =, everything else as +XX. Carries ENVID, ORCPT and AUTH= values.
import { EhloError } from './errors.ts';

/** UTF-8 octets that are not xchar become +XX, so no text can end a parameter or a command line. */
export const encodeXtext = (text: string): string => {
  let out = '';
  for (const octet of Buffer.from(text)) {
    const plain = octet >= 0x21 && octet <= 0x7e && octet !== 0x2b && octet !== 0x3d;
    out += plain ? String.fromCharCode(octet) : `+${octet.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
};

/** The text may hold anything, line ends included: encode it again before it goes anywhere. Throws 'bad-address'. */
export const decodeXtext = (xtext: string): string => {
  // Upper case only: "two upper case hexadecimal digits".
  if (!/^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/.test(xtext)) {
    throw new EhloError(
      'bad-address',
      'the value is not xtext: printable ASCII without = and with + only before two hexadecimal digits in upper case (RFC 3461 4)',
    );
  }
  const octets = Buffer.from(
    xtext.replace(/\+([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets);
  } catch (cause) {
    throw new EhloError('bad-address', 'the xtext value does not decode to UTF-8', { cause });
  }
};
