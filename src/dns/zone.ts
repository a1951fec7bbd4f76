// Zones for labs and tests: master file text (RFC 1035 5) in, real DNS answers out. This file is the door: the shapes, and
// where each stage lives. Not a name server for the public: no delegations, transfers, updates or signing.
//
// Besides records, a zone text may hold directives, each a comment line of its own, so that a lab can misbehave:
//   ;!servfail NAME [TYPE]   answers SERVFAIL for the name (for that type only, when given)
//   ;!refused NAME [TYPE]    answers REFUSED
//   ;!timeout NAME [TYPE]    stays silent
//   ;!ad                     sets AD on every answer, as a validating resolver does
// NAME is read like an owner name. Aliases that lead to such a name fail with it. Any other `;!` line is an error.
//
// A zone answers for what is at or below its SOA owners and its $ORIGINs, and for any other owner name that it lists;
// the rest is REFUSED. A text without $ORIGIN and SOA answers for everything, like a root zone.
export { answerQuery } from './zone-answer.ts';
export { lookupZone } from './zone-lookup.ts';
export { parseZone } from './zone-parse.ts';
export { printZone } from './zone-print.ts';
export type { Zone, ZoneDirective } from './zone-shape.ts';
