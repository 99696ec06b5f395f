/**
 * gRPC's library for Node, with its definition loaded at run time as grpc.io/docs/languages/node/basics shows, and one
 * channel. Credentials are insecure, as for all contenders; messages are not compressed, which is the default.
 */
import { once } from "node:events";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import {
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { chunks } from "../jobs/stream-data.ts";
import { type Answer, type BlobAnswer, blobAnswer, type Contender, checkMoved } from "./contender.ts";

/** As generated for the definition. */
interface JobsClient {
  DoJob(job: Answer, done: Done<Answer>): void;
  TakeBlob(blob: Piece, done: Done<BlobAnswer>): void;
  Upload(done: Done<BlobAnswer>): Writable;
  Download(request: BlobAnswer): AsyncIterable<Piece>;
}
interface Piece {
  readonly data: Uint8Array;
}
type Done<T> = (error: Error | null, value?: T) => void;
interface Unary<Q> {
  readonly request: Q;
}

const none = { first: 0, last: 0 };

/** At the pace of the receiver. */
async function writeAll(bytes: number, stream: Writable): Promise<void> {
  for (const data of chunks(bytes)) if (!stream.write({ data })) await once(stream, "drain");
  stream.end();
}

async function lengthOf(pieces: AsyncIterable<Piece>): Promise<number> {
  let length = 0;
  for await (const { data } of pieces) length += data.length;
  return length;
}

function jobs(): ServiceClientConstructor {
  const definition = loadSync(fileURLToPath(new URL("../../contenders/jobs.proto", import.meta.url)), {
    keepCase: true,
    defaults: true,
  });
  const { bench } = loadPackageDefinition(definition);
  return (bench as GrpcObject)["Jobs"] as ServiceClientConstructor; // as jobs.proto declares
}

export const grpc: Contender = {
  title: "@grpc/grpc-js",
  packageName: "@grpc/grpc-js",
  async serve() {
    const server = new Server();
    server.addService(jobs().service, {
      DoJob: ({ request }: Unary<Answer>, done: Done<Answer>) => done(null, { action: request.action, n: request.n }),
      TakeBlob: ({ request }: Unary<{ data: Buffer }>, done: Done<BlobAnswer>) => done(null, blobAnswer(request.data)),
      Upload: (pieces: AsyncIterable<Piece>, done: Done<BlobAnswer>) =>
        void lengthOf(pieces).then((bytes) => done(null, { ...none, bytes }), done),
      Download: (stream: Writable & Unary<BlobAnswer>) => void writeAll(stream.request.bytes, stream),
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    return { port };
  },
  async connect(port) {
    const Jobs = jobs();
    const client = new Jobs(`127.0.0.1:${port}`, credentials.createInsecure()) as unknown as JobsClient; // see jobs.proto
    const settle = <T>(send: (done: Done<T>) => void) =>
      new Promise<T>((resolve, reject) => {
        send((error, value) => (value === undefined ? reject(error) : resolve(value)));
      });
    return {
      call: (action, n) => settle<Answer>((done) => client.DoJob({ action, n }, done)),
      sendBlob: (data) => settle<BlobAnswer>((done) => client.TakeBlob({ data }, done)),
      async upload(bytes) {
        const answer = await settle<BlobAnswer>((done) => void writeAll(bytes, client.Upload(done)));
        checkMoved(answer.bytes, bytes);
      },
      download: async (bytes) => checkMoved(await lengthOf(client.Download({ ...none, bytes })), bytes),
    };
  },
};
