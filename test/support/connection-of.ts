/** The connection that has been given a transport, which is behind lane 0 and its lanes. */
import { Connection, type TransportSink } from "hbi";

/** By its members, because a program has the library's own classes from another copy than its tests. */
export function connectionOf(given: TransportSink | undefined): Connection | undefined {
  const sink = given !== undefined && "sink" in given ? (given.sink as TransportSink | undefined) : given;
  if (sink === undefined || !("session" in sink)) return undefined;
  return sink.session instanceof Connection ? sink.session : undefined;
}
