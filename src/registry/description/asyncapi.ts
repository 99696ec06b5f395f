/**
 * asyncApiDocument: a service as an AsyncAPI 3.0 document, for tools that read them. https://www.asyncapi.com/docs
 */

import { checkOptions, isPlainObject, mustBe, type OptionsOf } from "../../options.ts";
import type { Service } from "../service.ts";
import { describeService } from "./describe.ts";
import { type MethodDescription, objectOf, type ParamDescription } from "./description.ts";
import { definitionName, type JsonSchema, mapReferences } from "./json-schema.ts";
import { DESCRIBE_OPTIONS, type DescribeOptions } from "./schema-export.ts";

/** As in AsyncAPI: `{ host: "127.0.0.1:3232", protocol: "tcp" }`. */
export interface AsyncApiServer {
  readonly host: string;
  readonly protocol: string;
  readonly pathname?: string | undefined;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
}

export interface AsyncApiOptions extends DescribeOptions {
  /** keys of letters, digits, `.`, `_` and `-` */
  readonly servers?: Readonly<Record<string, AsyncApiServer>> | undefined;
}

const ASYNC_API_OPTIONS: OptionsOf<AsyncApiOptions> = {
  ...DESCRIBE_OPTIONS,
  servers: mustBe("an object", isPlainObject),
};

export interface AsyncApiDocument {
  readonly asyncapi: "3.0.0";
  readonly info: JsonSchema;
  readonly servers?: Readonly<Record<string, AsyncApiServer>>;
  readonly channels: Readonly<Record<string, JsonSchema>>;
  readonly operations: Readonly<Record<string, JsonSchema>>;
  readonly components: JsonSchema;
  readonly "x-hbi-credentials"?: JsonSchema;
}

/** A document from the service's point of view: it receives calls of its methods, and sends calls of its reactions.
 *
 *  Each has a channel and an operation with the same id: `methods.do_job`, `reactions.job_done`. The payload of a call
 *  is an object with the names of its parameters, although arguments are sent by position; `x-hbi-parameters` has their
 *  order. AsyncAPI cannot express raw data, so `x-hbi-body` marks the message that it follows as "declared",
 *  "unknown" or "manual". A declared error is a further message of the reply, marked `x-hbi-error`; its payload is the
 *  object of its details.
 *  @throws HbiError bad_option, as `describeService` */
export function asyncApiDocument(service: Service, options: AsyncApiOptions = {}): AsyncApiDocument {
  checkOptions(options, "asyncApiDocument", ASYNC_API_OPTIONS);
  const { name, version, description, hash, methods, reactions, credentials, $defs } = describeService(
    service,
    options.override === undefined ? {} : { override: options.override },
  );
  const { title } = service;
  const members = [
    ...Object.entries(methods).map(([member, method]) => toMember(`methods.${member}`, member, method, "receive")),
    ...Object.entries(reactions).map(([member, method]) => toMember(`reactions.${member}`, member, method, "send")),
  ];
  return {
    asyncapi: "3.0.0",
    info: { title: title ?? name, version, ...text({ description }), "x-hbi-service": name, "x-hbi-hash": hash },
    ...(options.servers === undefined ? {} : { servers: options.servers }),
    channels: Object.fromEntries(members.map(({ id, channel }) => [id, channel])),
    operations: Object.fromEntries(members.map(({ id, operation }) => [id, operation])),
    components: {
      schemas: Object.fromEntries(Object.entries($defs).map(([id, schema]) => [id, toComponent(schema)])),
      messages: Object.fromEntries(members.flatMap(({ messages }) => messages)),
    },
    ...(credentials === undefined ? {} : { "x-hbi-credentials": payload(credentials) }),
  };
}

interface Member {
  readonly id: string;
  readonly channel: JsonSchema;
  readonly operation: JsonSchema;
  readonly messages: readonly (readonly [id: string, message: JsonSchema])[];
}

/** Ids consist of names (letters, digits, dots, underscores), so references need no escapes. */
function toMember(id: string, address: string, method: MethodDescription, action: "receive" | "send"): Member {
  const {
    title,
    description,
    deprecated,
    idempotent,
    limits,
    body,
    result,
    resultBody,
    yields,
    errors = {},
    examples,
  } = method;
  const inChannel = (message: string) => ({ $ref: `#/channels/${id}/messages/${message}` });
  const call = {
    name: address,
    ...text({ title }),
    payload: callPayload(method),
    ...(method.byName === true ? { "x-hbi-by-name": true } : {}),
    ...(body === "none" ? {} : { "x-hbi-body": body }),
    ...(examples === undefined ? {} : { examples: examples.map((example) => ({ payload: example })) }),
  };
  const answer = result && {
    name: `${address}.result`,
    payload: toComponent(result),
    ...(resultBody === "none" ? {} : { "x-hbi-body": resultBody }),
  };
  const answers: [string, JsonSchema][] = [
    ...(yields === undefined
      ? []
      : [
          ["yields", { name: `${address}.yields`, payload: toComponent(yields), "x-hbi-stream": true }] satisfies [
            string,
            object,
          ],
        ]),
    ...(answer ? [["result", answer] satisfies [string, object]] : []),
    ...Object.entries(errors).map(([error, details]): [string, JsonSchema] => [
      `errors.${error}`,
      { name: `${address}.errors.${error}`, payload: toComponent(details), "x-hbi-error": error },
    ]),
  ];
  const messages: [string, JsonSchema][] = [["call", call], ...answers];
  const channel = {
    address,
    ...text({ title, description }),
    messages: Object.fromEntries(messages.map(([key]) => [key, { $ref: `#/components/messages/${id}.${key}` }])),
  };
  const operation = {
    action,
    channel: { $ref: `#/channels/${id}` },
    ...text({ title, description }),
    messages: [inChannel("call")],
    ...(answers.length > 0
      ? { reply: { channel: { $ref: `#/channels/${id}` }, messages: answers.map(([key]) => inChannel(key)) } }
      : {}),
    "x-hbi-idempotent": idempotent,
    ...(limits === undefined ? {} : { "x-hbi-limits": limits }),
    ...(deprecated === undefined ? {} : { "x-hbi-deprecated": deprecated }),
  };
  return { id, channel, operation, messages: messages.map(([key, message]) => [`${id}.${key}`, message]) };
}

function callPayload({ params, byName, input }: MethodDescription): JsonSchema {
  if (input !== undefined) return toComponent(input);
  const { "x-hbi-parameters": order, ...byNames } = payload(params);
  return byName === true ? byNames : { ...byNames, "x-hbi-parameters": order };
}

function payload(params: readonly ParamDescription[]): JsonSchema {
  return { ...toComponent(objectOf(params)), "x-hbi-parameters": params.map((param) => param.name) };
}

function toComponent(schema: JsonSchema): JsonSchema {
  return mapReferences(schema, (reference) => `#/components/schemas/${definitionName(reference)}`);
}

function text(texts: Readonly<Record<string, string | undefined>>): JsonSchema {
  return Object.fromEntries(Object.entries(texts).filter(([, content]) => content !== undefined));
}
