// Which family of IP address a text is, without node:net, so that the lower floors can ask too.

const octet = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const ipv4 = new RegExp(`^${octet}(?:\\.${octet}){3}$`);

/** 4, 6, or undefined for anything else: names, zone identifiers, brackets, leading zeros. */
export function ipFamily(text: string): 4 | 6 | undefined {
  if (ipv4.test(text)) return 4;
  // The URL parser knows RFC 4291 exactly; the character check keeps it from seeing anything but an address.
  return /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text) && URL.canParse(`http://[${text}]/`) ? 6 : undefined;
}

/** 127.0.0.0/8, ::1, and 127/8 written as IPv6 (RFC 4291 2.5.5.2). Nobody outside this machine is on the way there. */
export function isLoopback(address: string): boolean {
  const family = ipFamily(address);
  if (family === 4) return address.startsWith('127.');
  if (family !== 6) return false;
  const canonical = new URL(`http://[${address}]/`).hostname;
  return canonical === '[::1]' || /^\[::ffff:7f[0-9a-f]{2}:/.test(canonical);
}
