/**
 * Of each failure: what has happened, and what to do. docs/troubleshooting.md is made of this and of `FAILURES`; it is not part of the
 * library, whose users on web pages would download it.
 */
import { FAILURES, type Reason } from "hbi";

type Remedy = readonly [cause: string, remedy: string];

const BIG: Remedy = [
  "A value, a script or a packet exceeds a limit of the side that reports it.",
  "Send less at once, send large data as a body, or raise the [limit](errors-and-limits.md#limits) on the receiving side.",
];
const NOT_OURS: Remedy = [
  "The peer does not speak this protocol, or is not what this side takes it for: another service on the port, a proxy, TLS on one side only.",
  "Check the address and the TLS options of both sides.",
];
const SLOW: Remedy = [
  "The network or the other program is too slow, or has stopped.",
  "Look for what blocks the other program. Raise the limit if the connection is slow by nature.",
];

const REMEDIES: Readonly<Record<Reason, Remedy>> = {
  syntax: [
    "A script of the HBI layer is not well-formed.",
    "Correct the text at the position in the message. Typed calls never cause it.",
  ],
  forbidden_syntax: [
    "A script uses what is never landed: operators, functions, assignments to members.",
    "Send calls and values only; compute on your side.",
  ],
  bad_literal: ["A literal of a script is not known here.", "Write values with `script` or `repr` instead of by hand."],
  too_deep: BIG,
  too_many_nodes: BIG,
  too_many_statements: BIG,
  too_many_calls: BIG,
  too_many_arguments: BIG,
  too_many_keys: BIG,
  name_too_long: BIG,
  number_too_long: BIG,
  bad_key: [
    "An object has a key that cannot be a key here, such as `True` or a float of Python.",
    "Use strings, or integers alone, as keys.",
  ],
  unknown_name: [
    "The other side has no such method, value or reaction.",
    "Compare the versions of the definitions on both sides. On the HBI layer, expose the name.",
  ],
  bad_argument: [
    "A schema refuses a parameter. `error.issues` lists each finding with its path.",
    "Correct the argument. If the other side refused what your side accepted, compare the definitions.",
  ],
  not_a_value: ["A call stands where only a value is landed.", "Send the result of the call instead."],
  metadata_too_big: [
    "The metadata of a call exceeds `maxMetadataBytes`.",
    "Send less of it, or send it as a parameter.",
  ],
  body_too_big: [
    "A body exceeds `maxBodyBytes`.",
    "Send less, send it in several calls, or raise the [limit](errors-and-limits.md#limits) on the receiving side.",
  ],
  unauthenticated: [
    "Credentials are missing, wrong or expired.",
    "Obtain new ones. A link does not reconnect after this error; `link.authenticate()` shows new ones on a live connection.",
  ],
  body_mismatch: [
    "A body has not the length that its definition computes from the parameters or the result.",
    "Make the declared length and the body agree.",
  ],
  handler: [
    "A handler threw an unexpected exception. Its text stays on its side, because it may contain secrets.",
    "Look up the reference number in the log of that side; `error.cause` there is the exception. Throw an `HbiError` for what callers should know.",
  ],
  bad_result: [
    "A handler returned a result, or a body, that its own definition refuses.",
    "Correct the handler. The log of its side has the finding.",
  ],
  result_too_big: [
    "A result exceeds what the caller accepts.",
    "Return less at once, use pages or a body behind the result, or raise the limit at the caller.",
  ],
  details_lost: [
    "The `details` of an error have no textual form, or are too large. The error itself has crossed.",
    "Put plain data into `details`; the message names the member.",
  ],
  handler_timeout: [
    "A handler did not end within its time.",
    "Find out what it waits for, raise `handlerTimeoutMs` there, or split the work.",
  ],
  overloaded: [
    "All slots of the service are taken, and its queue is full.",
    "Try again later, or raise `maxInFlight` and `maxHostedWaiting` there.",
  ],
  draining: [
    "The side is about to close and accepts nothing new.",
    "Use another server. A link with `reconnect` sends the call again by itself.",
  ],
  bad_frame: NOT_OURS,
  packet_too_big: [
    "A text is larger than the receiver accepts in one packet.",
    "Send less at once, send large data as a body, or raise `maxPacketBytes` on the receiving side.",
  ],
  bad_utf8: NOT_OURS,
  truncated: [
    "The connection ended in the middle of a packet: the other program was killed, or the network failed.",
    "Check `mayHaveLanded`, then call again or query the state.",
  ],
  bad_state: NOT_OURS,
  bad_token: NOT_OURS,
  position_lost: [
    "Nobody knows how much raw data follows a refused script, so nothing behind it can be read.",
    "Declare the length of raw data in the definition, or promise it: `rawBytes`, `hasNoRawData`.",
  ],
  drain_too_big: [
    "A refused call was followed by more raw data than is skipped.",
    "Ask for permission in a call of its own before large uploads.",
  ],
  too_many_answers: [
    "A handler answered too much before the conversation was sent to its end.",
    "Answer less, or after `co_end`; or raise `maxQueuedAnswers`.",
  ],
  too_many_errors: ["The peer sent too many malformed scripts.", "Correct the peer."],
  rate_exceeded: [
    "The peer called or sent more often than it may.",
    "Slow down, or raise `callsPerSecond` or `receivedBytesPerSecond`. A stranger has less: authenticate first.",
  ],
  data_too_slow: SLOW,
  read_timeout: SLOW,
  buffer_full: [
    "A transport that cannot pause delivered more than is buffered.",
    "Read bodies faster, send less at once, or raise `maxBufferedBytes`.",
  ],
  slow_reader: ["The peer does not read what is sent to it.", "Look for what blocks the peer; push less to it."],
  init_failed: [
    "The environment, the handlers or `onInit` of the connection could not be created.",
    "Look up the reference number in the log of that side.",
  ],
  disconnected: [
    "The connection was lost or closed before the answer came.",
    "Check `mayHaveLanded`: if it is false, call again; otherwise query the state first. Use `reconnect`.",
  ],
  peer_error: [
    "The other side ended the connection and said why.",
    "Read the reason in the message; it is the other side's own failure, in this table as well.",
  ],
  unresponsive: [
    "The peer has not answered pings, though the connection seems open.",
    "Check the network and whether the other program hangs.",
  ],
  connect_failed: [
    "No connection could be made. The message and `cause` say why.",
    "Check that the server runs and the address is right; for TLS see [TLS](tls.md#when-a-handshake-fails). Use `reconnect`.",
  ],
  listen_failed: [
    "The server cannot listen at its address: it is taken, or not permitted. The message says which.",
    "End the other program, or choose another port or path.",
  ],
  worker_failed: [
    "A worker process could not be started, has crashed, hangs, or did not drain in time. The message says which; what the process printed says why.",
    "Correct the program, or allow more: `startTimeoutMs`, `drainTimeoutMs`, `hangTimeoutMs`. A failed process is replaced; a server whose processes [fail too often](all-cores.md#when-a-process-fails) ends.",
  ],
  too_many_connections: [
    "The server has as many connections as it accepts, in total or from one address.",
    "Close some, or raise `maxConnections` or `maxConnectionsPerAddress`.",
  ],
  origin_refused: [
    "A page in a browser wants a WebSocket, and its origin is not among those that the server admits. None is by default.",
    'Add it to `origins` of the server as the log shows it: `origins: ["https://app.example.com"]`.',
  ],
  not_loaded: [
    "A part of the library that a bundle [loads on demand](performance.md#what-a-client-loads) could not be loaded. `cause` says why.",
    "Try again when the network is there; keep the parts of the bundle that pages in use still load. A service worker allows no `import()`: bundle everything into one file.",
  ],
  cancelled: [
    "A signal aborted the call, or its caller cancelled it.",
    "Nothing. `cause` is the reason of the signal.",
  ],
  timeout: [
    "No answer came within the time of the call.",
    "Allow more: `timeoutMs`, `callTimeoutMs`; or find out what the handler waits for.",
  ],
  body_unread: [
    "The awaited answer is behind the body of an earlier result on the same connection.",
    "Read each body to its end, or `discard()` it.",
  ],
  lane_reset: [
    "The other side has ended a large transfer: its source or its reader failed, or was too slow. The connection goes on.",
    "The message names the reason on the other side. Repeat the call if it is safe to repeat.",
  ],
  no_lanes: [
    "A body is declared with the length `unknown`, and the connection has no lanes: the peer is a Python or Go program, or one side has `lanes: false`.",
    "Turn lanes on. For peers that have none, declare the length as a function.",
  ],
  too_many_lanes: [
    "The peer has more transfers under way at once than `maxLanes` permits.",
    "Peers of this library wait instead. Look at what else speaks the protocol.",
  ],
  turn_held: [
    "Another conversation was sending all the time. The message names it.",
    "Use shorter uploads, a link of their own for them, or a source that does not stall.",
  ],
  body_failed: ["The source of a body failed, or ended early.", "See `cause`."],
  wrong_stage: [
    "The operation is not possible now: a body is read twice, a conversation is closed.",
    "Read the message; it says what has ended already.",
  ],
  too_many_waiting: [
    "Calls are made faster than they are answered.",
    "Await some of them before making more, or raise `maxPostedWaiting`.",
  ],
  not_representable: [
    "A value has no textual form. The message has its path, its class and what to send instead.",
    "Send plain data: strings, numbers, arrays, plain objects, `Uint8Array`.",
  ],
  bad_option: [
    "The library was called with an unknown option, a wrong value, or a wrong definition.",
    "Read the message; it names the option and what it must be.",
  ],
  bad_answer: [
    "The answer does not match the definition of this side.",
    "Compare the definitions of both sides: [schema export](schema-export.md).",
  ],
  no_answer: [
    "The other side ended the conversation without a result that this side's definition declares.",
    "Compare the definitions of both sides.",
  ],
  other_definition: [
    "The definition of the link is not that of the service, and calls may fail. The message and `details` name the changes.",
    "Compare the versions and update the older side; see [a definition that differs](handlers.md#a-definition-that-differs).",
  ],
};

const INTRODUCTION = `# When something goes wrong

Each message of the library, what has caused it, and what to do. The message of an error begins with the method if it belongs to a
call, then has a text of this table, then the particulars: \`places.add: argument refused: rows.1.at: expected string, got number\`.
\`error.reason\` is the row of the table. \`error.origin\` says which side raised it: with \`"peer"\`, look at the other side. An
error without a reason was thrown by a handler; its message is the handler's own.

This page is generated from the table of failures: \`npx vitest run test/project/troubleshooting.test.ts -u\` writes it.
[Errors](errors.md) explains how to catch them, and [errors and limits](errors-and-limits.md) what each of them ends.
`;

/** docs/troubleshooting.md */
export function page(): string {
  const rows = Object.entries(REMEDIES).map(([reason, [cause, remedy]]) => {
    const { code, text } = FAILURES[reason as Reason]; // the keys of a record by reasons
    return `### ${text[0]?.toUpperCase()}${text.slice(1)} (\`${reason}\`)\n\nCode \`${code}\`. ${cause} **${remedy}**\n`;
  });
  return `${INTRODUCTION}\n## The messages\n\n${rows.join("\n")}\nNext: [streaming](streaming.md).\n`;
}

/** Their order is that of the table of failures. */
export const REASONS: readonly string[] = Object.keys(REMEDIES);
