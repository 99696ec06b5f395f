/**
 * The benchmark: what its command line accepts, with which commit it compares, and when its gate fails.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readArguments } from "../../bench/harness/arguments.ts";
import { gate } from "../../bench/harness/gate.ts";
import { commitOf, lastRelease } from "../../bench/harness/old-build.ts";

const NAMES = ["calls", "blobs", "idle"];
const COMPARABLE = ["calls", "blobs"];
const read = (line: string) => readArguments(line === "" ? [] : line.split(" "), NAMES, COMPARABLE);

describe("arguments", () => {
  it.each([
    ["", NAMES, undefined],
    ["idle", ["idle"], undefined],
    ["--compare v1", COMPARABLE, { ref: "v1", tries: 3 }],
    ["--compare v1 blobs", ["blobs"], { ref: "v1", tries: 3 }],
    ["--gate 0.85 calls", ["calls"], { gate: 0.85, tries: 3 }],
    ["--gate 1 --tries 10 --compare v1", COMPARABLE, { ref: "v1", gate: 1, tries: 10 }],
  ])("%j is accepted", (line, jobs, comparison) => {
    expect(read(line)).toMatchObject({ jobs, ...(comparison === undefined ? {} : { comparison }) });
    expect(read(line).comparison).toEqual(comparison);
  });

  it.each([
    ["nothing", "no such job: nothing"],
    ["--rounds 0", "--rounds: 1 to 100"],
    ["--rounds 101", "--rounds: 1 to 100"],
    ["--rounds 1.5", "--rounds: 1 to 100"],
    ["--compare", "argument missing"],
    ["--compare=", "--compare: a commit, a branch or a tag"],
    ["--compare v1 idle", "idle cannot be compared, only calls, blobs"],
    ["--compare v1 --smoke", "--smoke measures nothing, so it compares nothing"],
    ["--gate", "argument missing"],
    ["--gate fast", "--gate: more than 0, at most 1"],
    ["--gate 0", "--gate: more than 0, at most 1"],
    ["--gate 1.01", "--gate: more than 0, at most 1"],
    ["--gate 0.85 --tries 0", "--tries: 1 to 10"],
    ["--gate 0.85 --tries 11", "--tries: 1 to 10"],
    ["--compare v1 --tries 3", "--tries belongs to --gate"],
    ["--faster", "Unknown option"],
  ])("%j is refused", (line, message) => {
    expect(() => read(line)).toThrow(message);
  });
});

describe("the gate", () => {
  /** The CPU of two loads, new / old, in each try. */
  it.each([
    ["nothing is slower", [{ a: 1, b: 0.5 }], [], 1],
    ["as slow as it may be", [{ a: 1.25, b: 1 }], [], 1],
    ["slower once", [{ a: 1.26, b: 1 }, { a: 1 }], [], 2],
    ["slower but for the last try", [{ a: 2, b: 2 }, { a: 2, b: 1 }, { a: 1 }], [], 3],
    ["one is slower in each try", [{ a: 2, b: 1 }, { a: 2 }, { a: 1.26 }], ["a"], 3],
    ["each is slower, but not in the same tries", [{ a: 2, b: 1 }, { a: 1 }], [], 2],
    ["not measured", [{ a: Number.NaN, b: 1 }, { a: Number.NaN }, { a: Number.NaN }], ["a"], 3],
  ] as const)("%s", async (_, tries, below, count) => {
    let begun = 0;
    const measure = async (isWanted: (name: string) => boolean) => {
      const ratios: Readonly<Record<string, number>> = tries[begun] ?? {};
      begun += 1;
      expect(["a", "b"].filter(isWanted)).toEqual(Object.keys(ratios));
      return Object.entries(ratios).map(([name, median]) => ({ name, cpu: { median, min: 0, max: 9 } }));
    };
    expect(await gate(0.8, 3, measure)).toEqual(below);
    expect(begun).toBe(count);
  });
});

describe("the commit to compare with", () => {
  const folder = mkdtempSync(join(tmpdir(), "hbi-bench-test-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  const git = (cwd: string, ...args: string[]) =>
    execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@localhost", ...args], {
      cwd,
      encoding: "utf8",
      stdio: "pipe",
    }).trim();

  /** A repository with a commit for each list of tags. */
  function repository(name: string, tagsOfCommits: readonly (readonly string[])[]): string {
    const root = join(folder, name);
    mkdirSync(join(root, "bench"), { recursive: true });
    writeFileSync(join(root, "bench/baseline"), "# a comment\n\nsome-commit\n");
    git(root, "init", "--quiet");
    for (const tags of tagsOfCommits) {
      git(root, "commit", "--quiet", "--allow-empty", "-m", "a commit");
      for (const tag of tags) git(root, "tag", tag);
    }
    return root;
  }

  it.each([
    ["no tag", [[], []], "some-commit"],
    ["other tags", [["x1", "release"], []], "some-commit"],
    ["the newest version", [["v1.9.0"], ["v1.10.0"], []], "v1.10.0"],
    ["a release after its candidate", [["v1.0.0-rc.1"], ["v1.0.0"], []], "v1.0.0"],
    ["the one before, at a release itself", [["v1.0.0"], ["v1.1.0"]], "v1.0.0"],
    ["none before the first", [[], ["v1.0.0"]], "some-commit"],
  ])("%s", (name, tags, expected) => {
    expect(lastRelease(repository(name, tags))).toBe(expected);
  });

  it("is found by any name", () => {
    const root = repository("names", [["v1"], []]);
    expect(commitOf(root, "HEAD~1")).toBe(git(root, "rev-parse", "v1"));
    expect(commitOf(root, git(root, "rev-parse", "--short", "v1"))).toBe(git(root, "rev-parse", "v1"));
  });

  it("is missed in words that tell what to do", () => {
    const root = repository("whole", [[], []]);
    expect(() => commitOf(root, "v9")).toThrow("no v9 in this repository: git log and git tag list what there is");
    expect(() => commitOf(root, "--all")).toThrow("no --all in this repository");
    const shallow = join(folder, "shallow");
    git(folder, "clone", "--quiet", "--depth=1", `file://${root}`, shallow);
    expect(() => commitOf(shallow, "HEAD~1")).toThrow("no HEAD~1 in this shallow checkout: git fetch --unshallow");
    const bare = join(folder, "no repository");
    mkdirSync(bare);
    expect(() => commitOf(bare, "HEAD")).toThrow("is not a git repository");
  });
});
