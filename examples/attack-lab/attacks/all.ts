/**
 * ATTACKS: all of them, in the order of the report.
 */
import type { Attack } from "../attack.ts";
import { bodies } from "./bodies.ts";
import { connections } from "./connections.ts";
import { conversations } from "./conversations.ts";
import { drips } from "./drips.ts";
import { floods } from "./floods.ts";
import { forgery } from "./forgery.ts";
import { handshakes } from "./handshakes.ts";
import { hellos } from "./hellos.ts";
import { lanes } from "./lanes.ts";
import { processes } from "./processes.ts";
import { readers } from "./readers.ts";
import { refusals } from "./refusals.ts";
import { scripts } from "./scripts.ts";
import { servers } from "./servers.ts";
import { smuggling } from "./smuggling.ts";
import { strangers } from "./strangers.ts";
import { webSockets } from "./web-sockets.ts";

export interface Family {
  readonly title: string;
  readonly attacks: readonly Attack[];
}

export const FAMILIES: readonly Family[] = [
  { title: "Floods", attacks: floods },
  { title: "Provoked failures", attacks: refusals },
  { title: "Conversations", attacks: conversations },
  { title: "Peers that do not read", attacks: readers },
  { title: "Drips and silence", attacks: drips },
  { title: "Scripts", attacks: scripts },
  { title: "Raw data", attacks: bodies },
  { title: "Lanes", attacks: lanes },
  { title: "False hellos", attacks: hellos },
  { title: "Packets hidden in raw data", attacks: smuggling },
  { title: "Forged lines", attacks: forgery },
  { title: "Authentication", attacks: strangers },
  { title: "Connections", attacks: connections },
  { title: "A process for each consumer", attacks: processes },
  { title: "TLS handshakes", attacks: handshakes },
  { title: "WebSockets", attacks: webSockets },
  { title: "Servers that attack their clients", attacks: servers },
];

export const ATTACKS: readonly Attack[] = FAMILIES.flatMap(({ attacks }) => attacks);
