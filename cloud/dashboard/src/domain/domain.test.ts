import { describe, expect, it } from "vitest";
import type { JobView, PrinterView } from "../live/types";
import { colorName, isLight } from "./colors";
import { errorCode, errorText, hmsCode, hmsText } from "./errors";
import { countStates, nextFree, nextJobs, selectPrinters } from "./farm";
import { baseName, duration, finishClock, moment, size, weight } from "./format";
import { displayState, needsClearing } from "./state";

const printer = (changes: Partial<PrinterView> = {}): PrinterView => ({
  id: "prn_1",
  name: "Marie",
  hub: "online",
  link: "online",
  control: "ok",
  state: "idle",
  cleared: true,
  connect: true,
  error: 0,
  ...changes,
});

describe("displayState", () => {
  const cases: [string, Partial<PrinterView>, string, string][] = [
    ["ready", {}, "idle", "Ready"],
    ["printing", { state: "running" }, "printing", "Printing"],
    ["preparing", { state: "prepare" }, "printing", "Preparing"],
    ["paused", { state: "pause", error: 0x0300_8004 }, "paused", "Paused"],
    ["finished, bed not cleared", { state: "finish", cleared: false }, "clear", "Finished, clear bed"],
    ["stopped, bed not cleared", { state: "failed", cleared: false }, "clear", "Stopped, clear bed"],
    ["finished and cleared", { state: "finish" }, "idle", "Ready"],
    ["failed long ago, no error", { state: "failed" }, "idle", "Ready"],
    ["error", { state: "failed", error: 0x0300_4006 }, "error", "Error"],
    [
      "cancelled a moment ago is no error",
      { state: "failed", error: 0x0300_400c, cleared: false },
      "clear",
      "Stopped, clear bed",
    ],
    ["locked", { control: "locked" }, "error", "Locked"],
    ["wrong code", { link: "auth_failed" }, "error", "Wrong access code"],
    ["new certificate", { link: "cert_changed" }, "error", "New certificate"],
    ["offline", { link: "offline", state: "running" }, "offline", "Offline"],
    [
      "hub offline wins over everything the printer said",
      { hub: "offline", hub_id: "h", state: "running" },
      "offline",
      "Hub offline",
    ],
    ["its hub was removed", { hub: "offline" }, "offline", "No hub"],
    ["disconnected by a person", { connect: false, link: "off" }, "offline", "Disconnected"],
    ["connecting", { link: "connecting" }, "offline", "Connecting"],
    ["sending", { job: { id: "j", file_name: "a.3mf", status: "uploading" } }, "printing", "Sending file"],
    ["starting", { job: { id: "j", file_name: "a.3mf", status: "starting" } }, "printing", "Starting"],
  ];
  it.each(cases)("%s", (_name, changes, kind, word) => {
    expect(displayState(printer(changes))).toMatchObject({ kind, word });
  });

  it("uses the hub's own sentence when there is one", () => {
    expect(displayState(printer({ link: "offline", problem: "No answer for 3 minutes." })).problem).toBe(
      "No answer for 3 minutes.",
    );
  });

  it("offers clearing only while nothing prints", () => {
    expect(needsClearing(printer({ cleared: false, state: "finish" }))).toBe(true);
    expect(needsClearing(printer({ cleared: false, state: "running" }))).toBe(false);
    expect(needsClearing(printer({ cleared: true, state: "finish" }))).toBe(false);
  });
});

describe("farm", () => {
  const farm = [
    printer({ id: "1", name: "P 10", model: "C12", sort_order: 2, state: "running", remaining: 600 }),
    printer({ id: "2", name: "P 9", model: "N1", sort_order: 1, state: "running", remaining: 60 }),
    printer({ id: "3", name: "Broken", model: "C12", sort_order: 3, state: "failed", error: 0x0300_4006 }),
  ];
  const all = { state: null, text: "", sort: "order" } as const;

  it("orders and filters", () => {
    const ids = (query: Parameters<typeof selectPrinters>[1]) =>
      selectPrinters(farm, query).map((one) => one.id);
    expect(ids(all)).toEqual(["2", "1", "3"]);
    expect(ids({ ...all, sort: "name" })).toEqual(["3", "2", "1"]); // 9 before 10
    expect(ids({ ...all, sort: "attention" })[0]).toBe("3");
    expect(ids({ ...all, sort: "finish" })).toEqual(["2", "1", "3"]);
    expect(ids({ ...all, state: "printing" })).toEqual(["2", "1"]);
    expect(ids({ ...all, text: "p1s error" })).toEqual(["3"]);
    expect(ids({ ...all, text: "nothing" })).toEqual([]);
  });

  it("counts every printer once", () => {
    expect(countStates(farm)).toEqual({ error: 1, clear: 0, paused: 0, printing: 2, idle: 0, offline: 0 });
  });

  it("names the next free printer only when none is free", () => {
    expect(nextFree(farm)?.id).toBe("2");
    expect(nextFree([...farm, printer({ id: "4" })])).toBeNull();
  });

  it("gives each printer the first job that names it", () => {
    const job = (id: string, rank: number, target: string | null, priority = 0): JobView => ({
      id,
      status: "queued",
      rank,
      priority,
      target_printer_id: target,
    });
    const next = nextJobs([
      job("late", 5, "1"),
      job("early", 1, "1"),
      job("any", 0, null),
      job("urgent", 9, "2", 10),
      job("x", 1, "2"),
    ]);
    expect(next.get("1")?.id).toBe("early");
    expect(next.get("2")?.id).toBe("urgent");
    expect(next.size).toBe(2);
  });
});

describe("format", () => {
  it("says durations as people do", () => {
    expect(duration(0)).toBe("0 min");
    expect(duration(20)).toBe("less than a minute");
    expect(duration(59 * 60)).toBe("59 min");
    expect(duration(3600)).toBe("1 h");
    expect(duration(3600 + 12 * 60)).toBe("1 h 12 min");
    expect(duration(90_000)).toBe("1 d 1 h");
  });

  it("names the day of a finish that is not today", () => {
    const now = new Date(2026, 5, 10, 22, 0);
    expect(finishClock(1800, now)).not.toMatch(/[A-Z][a-z]{2} /);
    expect(finishClock(3 * 3600, now)).toMatch(/Thu|11/);
  });

  it("says moments", () => {
    const now = new Date("2026-06-10T12:00:00Z");
    expect(moment("2026-06-10T11:59:50Z", now)).toBe("just now");
    expect(moment("2026-06-10T11:55:00Z", now)).toBe("5 min ago");
  });

  it("says sizes, weights and names", () => {
    expect(size(999)).toBe("999 B");
    expect(size(1_500_000)).toBe("1.5 MB");
    expect(size(41_000_000)).toBe("41 MB");
    expect(weight(12.54)).toBe("12.5 g");
    expect(weight(1500)).toBe("1.50 kg");
    expect(baseName("vase.gcode.3mf")).toBe("vase");
    expect(baseName("Vase v2.3MF")).toBe("Vase v2");
  });
});

describe("errors", () => {
  it("writes codes as the maker does", () => {
    expect(errorCode(50348044)).toBe("0300_400C");
    expect(errorCode(134184977)).toBe("07FF_8011");
    expect(hmsCode({ attr: 0x0500_0500, code: 0x0001_0007 })).toBe("0500_0500_0001_0007");
  });

  it("says what a person can do", () => {
    expect(errorText(50364420)).toMatch(/filament ran out/);
    expect(errorText(117538833)).toMatch(/^AMS B: The spool ran out/);
    expect(errorText(134184977)).toMatch(/^External spool:/);
    expect(errorText(0x0123_4567)).toMatch(/screen/);
    expect(hmsText({ attr: 0x0500_0500, code: 0x0001_0007 })).toMatch(/Developer Mode/);
    expect(hmsText({ attr: 0x0701_2100, code: 0x0002_0001 })).toMatch(/ran out/);
  });
});

describe("colours", () => {
  it("names them for who cannot see them", () => {
    expect(colorName("#FFFFFF")).toBe("white");
    expect(colorName("#161616")).toBe("black");
    expect(colorName("#1F8B4C")).toMatch(/green/);
    expect(colorName("")).toBe("unknown colour");
  });
  it("knows which text reads on them", () => {
    expect(isLight("#FFFFFF")).toBe(true);
    expect(isLight("#101010")).toBe(false);
  });
});
