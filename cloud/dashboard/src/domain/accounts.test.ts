import { describe, expect, it } from "vitest";
import { detailLines, device, loginTrouble, scopesOf, scopeWords } from "./accounts";
import { centsOf, isLow, stockOf } from "./catalog";

describe("devices", () => {
  it.each([
    [
      "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0",
      "Firefox on Windows",
    ],
    [
      "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
      "Safari on iPhone",
    ],
    [
      "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
      "Edge on Windows",
    ],
    ["Python/3.12 aiohttp/3.10", "A Python program"],
    ["", "An unknown device"],
  ])("%s", (agent, words) => expect(device(agent)).toBe(words));
});

describe("API keys", () => {
  it("name one scope an area", () =>
    expect(scopesOf({ printers: "write", jobs: "none", files: "read" })).toEqual([
      "printers:write",
      "files:read",
    ]));
  it("are told in words", () =>
    expect(scopeWords(["catalog:write", "new:read"])).toBe("Products (write), new (read)"));
});

it("tells what the identity provider refused", () => {
  // cloud/accounts/oidc.py: _SENTENCES
  for (const code of ["oidc_state", "oidc_refused", "oidc_unavailable", "not_invited"])
    expect(loginTrouble(code)).not.toMatch(/^The sign-in did not work/);
});

it("never shows a code from the address", () =>
  expect(loginTrouble("<b>odd</b>")).toMatch(/^The sign-in did not work/));

it("shows nested details as JSON", () =>
  expect(detailLines({ role: "viewer", is_active: false, tags: ["a"] })).toEqual([
    ["role", "viewer"],
    ["is active", "false"],
    ["tags", '["a"]'],
  ]));

describe("stock and prices", () => {
  const sku = { product_id: "p", stock_level: 2, low_stock_threshold: 3, is_active: true };
  it("reads both decimal signs", () => {
    expect([centsOf("12.50"), centsOf("12,5"), centsOf("0.29"), centsOf(" ")]).toEqual([
      1250,
      1250,
      29,
      null,
    ]);
    expect(centsOf("1.234")).toBeNaN();
  });
  it("is low only below a threshold that was set", () => {
    expect(isLow(sku)).toBe(true);
    expect(isLow({ ...sku, low_stock_threshold: 0, stock_level: 0 })).toBe(false);
    expect(isLow({ ...sku, stock_level: 3 })).toBe(false);
  });
  it("is summed by product", () =>
    expect(stockOf([sku, { ...sku, stock_level: 5 }]).get("p")).toEqual({ skus: 2, level: 7, low: 1 }));
});
