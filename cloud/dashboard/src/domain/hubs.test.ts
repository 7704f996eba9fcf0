import { expect, it } from "vitest";
import { resetWord, signalWord, standing, worries } from "./hubs";

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
  expect(worries({ reset: "power", telemetry: null })).toEqual([]);
  expect(worries({ reset: "power", telemetry: { rssi: null, heap_low: 90_000 } })).toEqual([]);
  expect(worries({ reset: "watchdog", telemetry: { rssi: -82, heap_low: 5_000 } })).toHaveLength(3);
});

it("shows a reason it does not know as it is", () => expect(resetWord("odd_one")).toBe("odd one"));
