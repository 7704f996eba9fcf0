import { expect, it } from "vitest";
import { resetWord, signalWord, standing, updateWord, worries } from "./hubs";

const hub = { online: true, revoked: false, safe: false, releasing: false, taken_over_at: null };

it("grades a signal", () =>
  expect([-40, -65, -75, -90].map(signalWord)).toEqual(["strong", "good", "weak", "too weak"]));

it("tells how a hub stands, the worst first", () => {
  expect(standing(hub).word).toBe("Online");
  expect(standing({ ...hub, safe: true }).word).toBe("Safe mode");
  expect(standing({ ...hub, online: false, safe: true }).word).toBe("Offline");
  expect(standing({ ...hub, taken_over_at: "2026-01-01T00:00:00.000Z", revoked: true }).word).toBe(
    "Taken over",
  );
});

it("worries about what is measured only", () => {
  const well = { reset: "power", telemetry: null, image: "1.28.0", image_by_cable: "" };
  expect(worries(well)).toEqual([]);
  expect(worries({ ...well, telemetry: { rssi: null, heap_low: 90_000 } })).toEqual([]);
  expect(worries({ ...well, reset: "watchdog", telemetry: { rssi: -82, heap_low: 5_000 } })).toHaveLength(3);
});

it("asks for the cable where MicroPython cannot come over the air", () => {
  const [worry] = worries({ reset: "power", telemetry: null, image: "1.28.0", image_by_cable: "1.29.0" });
  expect(worry).toContain("made for MicroPython 1.29.0, and only the cable brings it");
  expect(updateWord({ state: "failed", code: "needs_cable" })).toBe("needs the cable");
  expect(updateWord({ state: "failed", code: "flash" })).toBe("failed");
});

it("shows a reason it does not know as it is", () => expect(resetWord("odd_one")).toBe("odd one"));
