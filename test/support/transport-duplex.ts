/**
 * A transport as a stream of bytes, for a peer that is no more than its bytes.
 */
import { Duplex } from "node:stream";
import type { Transport } from "hbi";

export function transportDuplex(transport: Transport): Duplex {
  let wake: (() => void) | undefined;
  const duplex = new Duplex({
    read: () => transport.resume(),
    write(chunk: Buffer, _encoding, done) {
      transport.write(chunk);
      if (transport.bufferedBytes === 0) done();
      else wake = done;
    },
    final(done) {
      transport.end();
      done();
    },
    destroy(error, done) {
      transport.destroy();
      done(error);
    },
  });
  transport.start({
    onData: (chunk) => {
      if (!duplex.push(Buffer.from(chunk))) transport.pause();
    },
    onDrain: () => {
      if (transport.bufferedBytes > 0) return;
      const done = wake;
      wake = undefined;
      done?.();
    },
    onEnd: () => duplex.push(null),
    onClose: (error) => duplex.destroy(error),
  });
  return duplex;
}
