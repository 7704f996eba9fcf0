import { useQuery } from "@tanstack/react-query";
import { Package, Plus } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { Link, useLocation, useParams, useSearchParams } from "wouter";
import { useCanOperate } from "../../api/actions";
import { categoriesQuery, type ProductFilter, productsQuery, skusQuery } from "../../api/queries";
import type { Product } from "../../api/types";
import { type Stock, stockOf } from "../../domain/catalog";
import { plural } from "../../domain/format";
import { Button } from "../../ui/button";
import { Empty, Failed, PageTitle, Skeleton } from "../../ui/feedback";
import { inputClass } from "../../ui/field";
import { Pager } from "../../ui/pager";
import { Thumb } from "../../ui/thumb";

const Sheet = lazy(() => import("./sheet"));
const AddProduct = lazy(() => import("./form").then((module) => ({ default: module.AddProduct })));

const GRID = "grid grid-cols-[repeat(auto-fill,minmax(min(100%,15.5rem),1fr))] gap-4";
const NOTHING: Stock = { skus: 0, level: 0, low: 0 };

/** Without `stock` the figures are still on their way. */
function Card({ product, stock }: { product: Product; stock: Stock | undefined }) {
  return (
    <Link
      href={`/products/${product.id}${window.location.search}`}
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
          {stock ? `${plural(stock.skus, "SKU")} · ${stock.level} in stock` : "\u00a0"}
          {stock && stock.low > 0 && <span className="font-medium text-paused"> · {stock.low} low</span>}
        </p>
      </div>
    </Link>
  );
}

const PAGE = 48;

/** What the address says of the list. */
function useFilter() {
  const [params, setParams] = useSearchParams();
  const filter: ProductFilter = {
    search: params.get("q") ?? "",
    category: params.get("category") ?? "",
    sort: params.get("sort") === "newest" ? "-created_at" : "name",
    limit: PAGE,
    offset: Math.max(0, Number(params.get("from")) || 0),
  };
  const set = (name: string, text: string) =>
    setParams(
      (now) => {
        const next = new URLSearchParams(now);
        if (name !== "from") next.delete("from");
        if (text) next.set(name, text);
        else next.delete(name);
        return next;
      },
      { replace: name !== "from" },
    );
  return { filter, set };
}

type Setter = (name: string, text: string) => void;

function Filters({ filter, set }: { filter: ProductFilter; set: Setter }) {
  const categories = useQuery(categoriesQuery).data ?? [];
  return (
    <div className="mb-5 flex flex-wrap gap-2">
      <input
        type="search"
        aria-label="Search products"
        placeholder="Search"
        className={`${inputClass} max-w-xs`}
        value={filter.search}
        onChange={(event) => set("q", event.target.value)}
      />
      <select
        aria-label="Category"
        className={`${inputClass} w-auto!`}
        value={filter.category}
        onChange={(event) => set("category", event.target.value)}
      >
        <option value="">all categories</option>
        {[...new Set([...categories, filter.category])].filter(Boolean).map((one) => (
          <option key={one}>{one}</option>
        ))}
      </select>
      <select
        aria-label="Order"
        className={`${inputClass} w-auto!`}
        value={filter.sort}
        onChange={(event) => set("sort", event.target.value === "name" ? "" : "newest")}
      >
        <option value="name">by name</option>
        <option value="-created_at">newest first</option>
      </select>
    </div>
  );
}

function List({ products, total, filter, set }: ListProps) {
  const skus = useQuery(skusQuery(products.map((one) => one.id)));
  const stocks = stockOf(skus.data ?? []);
  return (
    <>
      <Filters filter={filter} set={set} />
      {products.length === 0 && <p className="py-12 text-center text-ink-soft">No product matches.</p>}
      <div className={GRID}>
        {products.map((one) => (
          <Card key={one.id} product={one} stock={stocks.get(one.id) ?? (skus.data && NOTHING)} />
        ))}
      </div>
      <Pager
        size={PAGE}
        words={["Back", "More"]}
        offset={filter.offset}
        total={total}
        onMove={(offset) => {
          set("from", offset ? String(offset) : "");
          window.scrollTo(0, 0);
        }}
      />
    </>
  );
}

interface ListProps {
  products: readonly Product[];
  total: number;
  filter: ProductFilter;
  set: Setter;
}

export default function Products() {
  const { filter, set } = useFilter();
  const products = useQuery(productsQuery(filter));
  const operate = useCanOperate();
  const [adding, setAdding] = useState(false);
  const { id } = useParams<{ id?: string }>();
  const [, navigate] = useLocation();
  const filtered = filter.search || filter.category || filter.offset;
  const empty = products.data?.total === 0 && !filtered;
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
        <List products={products.data.items} total={products.data.total} filter={filter} set={set} />
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
        {id && <Sheet id={id} onClose={() => navigate(`/products${window.location.search}`)} />}
      </Suspense>
    </>
  );
}
