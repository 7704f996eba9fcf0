// Completes package-lock.json with the optional binaries of other platforms.
//
// npm writes only those optional packages into the lock that the registry it spoke to could serve for this machine.
// `npm ci` then refuses the lock on every other platform ("Missing: … from lock file"). The entries added here carry
// what npm needs to decide whether a package is for this machine: version, os, cpu and libc, all told by its name.
//
//   node scripts/complete-lock.mjs [FOLDER] [--check]     --check: change nothing, exit 1 when an entry is missing
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const SYSTEMS = [
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
];
const PROCESSORS = [
  "arm64",
  "arm",
  "ia32",
  "loong64",
  "mips64el",
  "ppc64",
  "riscv64",
  "s390x",
  "wasm32",
  "x64",
];

/** What a package of prebuilt binaries runs on, read from its name: `binding-linux-x64-musl`. */
function platform(name) {
  const words = name.split("/").pop().split("-");
  const os = SYSTEMS.find((system) => words.includes(system));
  const cpu = PROCESSORS.find((processor) => words.includes(processor));
  const libc =
    words.includes("musl") || words.includes("musleabihf")
      ? "musl"
      : words.includes("gnu") || words.includes("gnueabihf")
        ? "glibc"
        : undefined;
  return {
    ...(cpu && { cpu: [cpu] }),
    ...(libc && { libc: [libc] }),
    ...(os && { os: [os] }),
  };
}

/** The places where Node would look for `name` required from the package at `from`. */
function* places(from, name) {
  for (let base = from; ; base = base.slice(0, Math.max(0, base.lastIndexOf("node_modules/") - 1))) {
    yield base ? `${base}/node_modules/${name}` : `node_modules/${name}`;
    if (!base) return;
  }
}

const folder = process.argv.slice(2).find((argument) => !argument.startsWith("--")) ?? ".";
const check = process.argv.includes("--check");
const path = join(folder, "package-lock.json");
const lock = JSON.parse(readFileSync(path, "utf8"));
const added = [];

for (const [from, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if ([...places(from, name)].some((place) => place in lock.packages)) continue;
    if (!/^\d/.test(version)) throw new Error(`${name}: a range (${version}) cannot be completed, pin it`);
    lock.packages[`node_modules/${name}`] = { version, ...platform(name), dev: entry.dev, optional: true };
    added.push(`${name}@${version}`);
  }
}

if (added.length && check) {
  console.error(`package-lock.json lacks ${added.length} optional packages:\n  ${added.join("\n  ")}`);
  process.exit(1);
}
if (added.length) {
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
}
console.log(added.length ? `added ${added.join(", ")}` : "package-lock.json is complete");
