import { useQuery } from "@tanstack/react-query";
import { Package, Plus } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { Link, useLocation, useParams, useSearchParams } from "wouter";
import { useCanOperate } from "../../api/actions";
import { productsQuery, skusQuery } from "../../api/queries";
import type { Product } from "../../api/types";
import { type Stock, stockOf } from "../../domain/catalog";
import { plural } from "../../domain/format";
import { Button } from "../../ui/button";
import { Empty, Failed, PageTitle, Skeleton } from "../../ui/feedback";
import { inputClass } from "../../ui/field";
import { Thumb } from "../../ui/thumb";

const Sheet = lazy(() => import("./sheet"));
const AddProduct = lazy(() => import("./form").then((module) => ({ default: module.AddProduct })));

const GRID = "grid grid-cols-[repeat(auto-fill,minmax(min(100%,15.5rem),1fr))] gap-4";
const NOTHING: Stock = { skus: 0, level: 0, low: 0 };

function Card({ product, stock }: { product: Product; stock: Stock }) {
  return (
    <Link
      href={`/products/${product.id}`}
      data-product={product.id}
      className="card-visibility flex flex-col overflow-hidden rounded-2xl border bg-sheet shadow-card"
    >
      <Thumb src={product.image_url} alt="" className="aspect-[4/3] w-full rounded-none!" />
      <div className="grid gap-1 p-4">
        <h2 className="truncate font-semibold">{product.name}</h2>
        <p className="truncate text-[0.8125rem] text-ink-faint">
          {product.category || "no category"}
          {!product.is_active && " · not active"}
        </p>
        <p className="num text-sm text-ink-soft">
          {plural(stock.skus, "SKU")} · {stock.level} in stock
          {stock.low > 0 && <span className="font-medium text-paused"> · {stock.low} low</span>}
        </p>
      </div>
    </Link>
  );
}

type Stocks = Map<string, Stock>;

const ORDERS: Record<string, (stocks: Stocks) => (a: Product, b: Product) => number> = {
  name: () => (a, b) => a.name.localeCompare(b.name),
  newest: () => (a, b) => b.created_at.localeCompare(a.created_at),
  stock: (stocks) => (a, b) => (stocks.get(a.id)?.level ?? 0) - (stocks.get(b.id)?.level ?? 0),
};

function List({ products, stocks }: { products: readonly Product[]; stocks: Stocks }) {
  const [params, setParams] = useSearchParams();
  const value = (name: string) => params.get(name) ?? "";
  const set = (name: string, text: string) =>
    setParams(
      (now) => {
        const next = new URLSearchParams(now);
        if (text) next.set(name, text);
        else next.delete(name);
        return next;
      },
      { replace: true },
    );
  const categories = [...new Set(products.map((one) => one.category ?? ""))].filter(Boolean).sort();
  const [text, category] = [value("q").toLowerCase(), value("category")];
  const order = ORDERS[value("sort")] ?? ORDERS.name;
  const shown = products
    .filter((one) => one.name.toLowerCase().includes(text) && (!category || one.category === category))
    .sort(order?.(stocks));
  return (
    <>
      <div className="mb-5 flex flex-wrap gap-2">
        <input
          type="search"
          aria-label="Search products"
          placeholder="Search"
          className={`${inputClass} max-w-xs`}
          value={value("q")}
          onChange={(event) => set("q", event.target.value)}
        />
        <select
          aria-label="Category"
          className={`${inputClass} w-auto!`}
          value={category}
          onChange={(event) => set("category", event.target.value)}
        >
          <option value="">all categories</option>
          {categories.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
        <select
          aria-label="Order"
          className={`${inputClass} w-auto!`}
          value={value("sort") || "name"}
          onChange={(event) => set("sort", event.target.value === "name" ? "" : event.target.value)}
        >
          <option value="name">by name</option>
          <option value="newest">newest first</option>
          <option value="stock">least stock first</option>
        </select>
      </div>
      {shown.length === 0 && <p className="py-12 text-center text-ink-soft">No product matches.</p>}
      <div className={GRID}>
        {shown.map((one) => (
          <Card key={one.id} product={one} stock={stocks.get(one.id) ?? NOTHING} />
        ))}
      </div>
    </>
  );
}

export default function Products() {
  const products = useQuery(productsQuery);
  const skus = useQuery(skusQuery);
  const operate = useCanOperate();
  const [adding, setAdding] = useState(false);
  const { id } = useParams<{ id?: string }>();
  const [, navigate] = useLocation();
  const empty = products.data?.items.length === 0;
  const add = operate && (
    <Button look="primary" icon={Plus} onClick={() => setAdding(true)}>
      Add product
    </Button>
  );
  return (
    <>
      <PageTitle actions={!empty && add}>Products</PageTitle>
      {products.isPending && (
        <div className={GRID} role="status" aria-label="Loading products">
          {["a", "b", "c", "d"].map((key) => (
            <Skeleton key={key} className="h-72 rounded-2xl" />
          ))}
        </div>
      )}
      {products.isError && <Failed error={products.error} onRetry={() => void products.refetch()} />}
      {empty && (
        <Empty icon={Package} title="No product yet" action={add}>
          A product is what you make and sell. Give it a SKU for each colour or pack size, and the files it is
          printed from.
        </Empty>
      )}
      {products.data && !empty && (
        <List products={products.data.items} stocks={stockOf(skus.data?.items ?? [])} />
      )}
      <Suspense>
        {adding && (
          <AddProduct
            onClose={() => setAdding(false)}
            onMade={(made) => {
              setAdding(false);
              navigate(`/products/${made.id}`);
            }}
          />
        )}
        {id && <Sheet id={id} onClose={() => navigate("/products")} />}
      </Suspense>
    </>
  );
}
