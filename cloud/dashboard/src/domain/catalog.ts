/** Products and their SKUs in figures and words. Prices are cents. */

interface Stocked {
  product_id: string;
  stock_level: number;
  low_stock_threshold: number;
  is_active: boolean;
}

export const price = (cents: number | null, currency: string): string =>
  cents === null
    ? "–"
    : (cents / 100).toLocaleString([], { style: "currency", currency, currencyDisplay: "narrowSymbol" });

/** Cents of "12.50" or "12,5"; null when empty, NaN when it is no price. */
export function centsOf(text: string): number | null {
  const plain = text.trim().replace(",", ".");
  if (!plain) return null;
  return /^\d{1,7}(\.\d{1,2})?$/.test(plain) ? Math.round(Number(plain) * 100) : Number.NaN;
}

export const isLow = (sku: Stocked): boolean =>
  sku.is_active && sku.low_stock_threshold > 0 && sku.stock_level < sku.low_stock_threshold;

export interface Stock {
  skus: number;
  level: number;
  low: number;
}

/** What there is of each product, by its id. */
export function stockOf(skus: readonly Stocked[]): Map<string, Stock> {
  const found = new Map<string, Stock>();
  for (const sku of skus) {
    const one = found.get(sku.product_id) ?? { skus: 0, level: 0, low: 0 };
    found.set(sku.product_id, {
      skus: one.skus + 1,
      level: one.level + sku.stock_level,
      low: one.low + (isLow(sku) ? 1 : 0),
    });
  }
  return found;
}
