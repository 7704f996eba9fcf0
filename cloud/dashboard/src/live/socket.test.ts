import { describe, expect, it } from "vitest";
import { askedDelay, retryDelay } from "./socket";

describe("retryDelay", () => {
  it("doubles up to a limit, and spreads browsers over half of it", () => {
    expect(retryDelay(0, () => 0)).toBe(250);
    expect(retryDelay(0, () => 1)).toBe(500);
    expect(retryDelay(3, () => 1)).toBe(4000);
    expect(retryDelay(40, () => 1)).toBe(15_000);
    expect(retryDelay(40, () => 0)).toBe(7_500);
  });
});

describe("askedDelay", () => {
  it("comes back when the server asked to, but never later than usual", () => {
    expect(askedDelay("retry_ms=1200")).toBe(1200);
    expect(askedDelay("retry_ms=900000")).toBe(15_000);
  });
  it("ignores anything else", () => {
    for (const reason of ["", "going away", "retry_ms=", "retry_ms=-5", "retry_ms=12x"])
      expect(askedDelay(reason)).toBeNull();
  });
});
