// What publint and attw say of a package as it is published.
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

/** What attw says and is meant to be so: the package is ESM only, found by its `exports`. */
const IGNORED = [
  {
    kind: "NoResolution",
    resolutionKind: "node10",
    reason: "does not know `exports`; no Node that is supported does so",
  },
  { kind: "CJSResolvesToESM", resolutionKind: "node16-cjs", reason: "a CommonJS program awaits import()" },
];

/** Each thing that they find, as a line. */
export async function messagesOf(tarball) {
  const bytes = new Uint8Array(tarball); // of its own, as publint reads all of its buffer
  return [...(await ofPublint(bytes.buffer)), ...(await ofAttw(bytes))];
}

async function ofPublint(tarball) {
  const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
  return messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false }) ?? message.code}`);
}

async function ofAttw(tarball) {
  const { types, problems = [] } = await checkPackage(createPackageFromTarballData(tarball));
  if (types === false) return ["attw: there are no types"];
  const isOf = (problem) => (ignored) =>
    problem.kind === ignored.kind && problem.resolutionKind === ignored.resolutionKind;
  return [
    ...problems.filter((problem) => !IGNORED.some(isOf(problem))).map((problem) => `attw: ${JSON.stringify(problem)}`),
    ...IGNORED.filter((ignored) => !problems.some((problem) => isOf(problem)(ignored))).map(
      ({ kind, resolutionKind }) => `attw: nothing is to be ignored of ${kind} in ${resolutionKind} any more`,
    ),
  ];
}
