/**
 * The work, on a stream of bytes: the service processes bytes from the wire, the consumer checks them with its files.
 */
import { createHash } from "node:crypto";
import { crc32, createGzip } from "node:zlib";
import type { Action, JobResult } from "./service.ts";

export async function perform(
  action: Action,
  data: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<JobResult> {
  let bytes = 0;
  const counted = async function* () {
    for await (const chunk of data) {
      bytes += chunk.length;
      yield chunk;
    }
  };
  const result = await WORK[action](counted());
  return { action, bytes, result };
}

const WORK: Readonly<Record<Action, (data: AsyncIterable<Uint8Array>) => Promise<string>>> = {
  async crc32(data) {
    let value = 0;
    for await (const chunk of data) value = crc32(chunk, value);
    return value.toString(16).padStart(8, "0");
  },
  async sha256(data) {
    const hash = createHash("sha256");
    for await (const chunk of data) hash.update(chunk);
    return hash.digest("hex");
  },
  async gzip(data) {
    const gzip = createGzip({ level: 6 });
    let size = 0;
    gzip.on("data", (chunk: Uint8Array) => {
      size += chunk.length;
    });
    const done = new Promise<void>((resolve, reject) => gzip.once("end", resolve).once("error", reject));
    try {
      for await (const chunk of data) {
        if (!gzip.write(chunk)) await new Promise((resolve) => gzip.once("drain", resolve));
      }
      gzip.end();
      await done;
    } finally {
      gzip.destroy(); // also when the data does not come to its end
    }
    return `${size} bytes`;
  },
  async lines(data) {
    let lines = 0;
    for await (const chunk of data) for (const byte of chunk) if (byte === 0x0a) lines += 1;
    return `${lines} lines`;
  },
};
