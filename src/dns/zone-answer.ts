// Answers raw queries from zones, as an authoritative server would (RFC 1035 4.1.1, RFC 2308, RFC 6891): AA, TC over UDP,
// SOA beside negative answers, REFUSED outside. Sockets are net/dns-server.ts's. Never throws: any bytes may come in.
import { EhloError } from '../base/errors.ts';
import { dnsLimits } from '../base/limits.ts';
import { type DnsMessage, type DnsReply, decodeMessage, encodeAnswer, isCarriedClass, rcodes } from './codec.ts';
import { printType } from './types.ts';
import { lookupZones, type ZoneLookup } from './zone-lookup.ts';
import type { Zone } from './zone-shape.ts';

/** RFC 1035 4.2.1: what fits into UDP without EDNS. */
const plainUdp = 512;

/** Undefined: stay silent, because a directive says so or because it was no query. */
export function answerQuery(zones: readonly Zone[], query: Buffer, via: 'udp' | 'tcp'): Buffer | undefined {
  // Without an id there is nothing to answer; answers are never answered (loops).
  if (query.length < 12 || (query.readUInt8(2) & 0x80) !== 0) return undefined;
  const bare: DnsReply = {
    id: query.readUInt16BE(0),
    rcode: rcodes.FORMERR,
    question: undefined,
    recursionDesired: (query.readUInt8(2) & 1) !== 0,
    authoritative: false,
    authentic: false,
    answers: [],
    authorities: [],
    edns: false,
  };
  const message = decoded(query);
  if (!message) return encodeAnswer(bare, plainUdp);
  const limit = via === 'tcp' ? dnsLimits.tcpMessage : udpLimit(message);
  const reply = replyTo(zones, message, { ...bare, edns: message.edns !== undefined });
  if (!reply) return undefined;
  try {
    return encodeAnswer(reply, limit);
  } catch (error) {
    // A question whose name cannot be written back (codec.ts packetName): no zone holds such a name.
    if (error instanceof EhloError) return encodeAnswer({ ...bare, rcode: rcodes.REFUSED, edns: reply.edns }, limit);
    throw error;
  }
}

function decoded(query: Buffer): DnsMessage | undefined {
  try {
    return decodeMessage(query);
  } catch (error) {
    if (error instanceof EhloError) return undefined;
    throw error;
  }
}

const udpLimit = ({ edns }: DnsMessage): number =>
  edns ? Math.min(Math.max(edns.payload, plainUdp), dnsLimits.udpPayload) : plainUdp;

function replyTo(zones: readonly Zone[], message: DnsMessage, bare: DnsReply): DnsReply | undefined {
  const [question] = message.questions;
  if (message.opcode !== 0) return { ...bare, rcode: rcodes.NOTIMP };
  if (!question || message.questions.length > 1) return bare;
  if (!isCarriedClass(question.class)) return { ...bare, rcode: rcodes.REFUSED };
  const reply = { ...bare, question };
  if (message.edns && message.edns.version !== 0) return { ...reply, rcode: rcodes.BADVERS };
  // RFC 6895 3.1: 128 to 255 are questions about the server or the zone (ANY, AXFR), not types.
  if (question.type >= 128 && question.type <= 255) return { ...reply, rcode: rcodes.NOTIMP };
  if (question.class !== 1) return { ...reply, rcode: rcodes.REFUSED };
  const found = lookupZones(zones, question.name, printType(question.type));
  if (found.status === 'timeout') return undefined;
  return {
    ...reply,
    rcode: rcodeOf[found.status],
    authoritative: found.status !== 'refused' && found.status !== 'servfail',
    authentic: found.ad,
    answers: [...found.cnames, ...found.records],
    authorities: found.soa ? [found.soa] : [],
  };
}

const rcodeOf: Record<Exclude<ZoneLookup['status'], 'timeout'>, number> = {
  ok: rcodes.NOERROR,
  nodata: rcodes.NOERROR,
  nxdomain: rcodes.NXDOMAIN,
  servfail: rcodes.SERVFAIL,
  refused: rcodes.REFUSED,
};
