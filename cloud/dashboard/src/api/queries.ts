import { QueryClient, queryOptions } from "@tanstack/react-query";
import type { JobStatus } from "../live/types";
import { answer, api } from "./client";
import { ApiError } from "./errors";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status < 500),
    },
  },
});

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: () => answer(api.GET("/api/auth/me")),
  staleTime: 5 * 60_000,
});

export const printersQuery = queryOptions({
  queryKey: ["printers"],
  queryFn: () => answer(api.GET("/api/printers/")),
});

export const printerQuery = (id: string) =>
  queryOptions({
    queryKey: ["printers", id],
    queryFn: () => answer(api.GET("/api/printers/{id}", { params: { path: { id } } })),
  });

export const filesQuery = queryOptions({
  queryKey: ["files"],
  queryFn: () => answer(api.GET("/api/files/", { params: { query: { limit: 200 } } })),
});

export const fileQuery = (id: string) =>
  queryOptions({
    queryKey: ["files", id],
    queryFn: () => answer(api.GET("/api/files/{id}", { params: { path: { id } } })),
  });

export interface JobFilter {
  status: JobStatus[];
  printerId: string;
  limit: number;
  offset: number;
  /** Not sent: a new value asks again. */
  ended?: number;
}

export const jobsQuery = (filter: JobFilter) =>
  queryOptions({
    queryKey: ["jobs", "list", filter],
    queryFn: () =>
      answer(
        api.GET("/api/print-jobs/", {
          params: {
            query: {
              limit: filter.limit,
              offset: filter.offset,
              status: filter.status,
              ...(filter.printerId && { printer_id: filter.printerId }),
            },
          },
        }),
      ),
    placeholderData: (previous) => previous,
  });

export const jobQuery = (id: string) =>
  queryOptions({
    queryKey: ["jobs", id],
    queryFn: () => answer(api.GET("/api/print-jobs/{id}", { params: { path: { id } } })),
  });

export const hubsQuery = queryOptions({
  queryKey: ["hubs"],
  queryFn: () => answer(api.GET("/api/hubs/")),
  refetchInterval: 10_000,
});

export const settingsQuery = queryOptions({
  queryKey: ["settings"],
  queryFn: () => answer(api.GET("/api/settings/")),
  staleTime: 60_000,
});

export interface ProductFilter {
  search: string;
  category: string;
  sort: "name" | "-created_at";
  limit: number;
  offset: number;
}

export const productsQuery = ({ search, category, ...rest }: ProductFilter) =>
  queryOptions({
    queryKey: ["products", "list", { search, category, ...rest }],
    queryFn: () => {
      const query = {
        limit: rest.limit,
        offset: rest.offset,
        sort: [rest.sort],
        ...(search && { search }),
        ...(category && { category }),
      };
      return answer(api.GET("/api/products/", { params: { query } }));
    },
    placeholderData: (previous) => previous,
  });

/** As much as a list gives at a time. */
const WHOLE = 500;

/** All of a list, part by part. */
async function whole<T>(part: (offset: number) => Promise<{ items: T[]; total: number }>): Promise<T[]> {
  const found: T[] = [];
  for (;;) {
    const { items, total } = await part(found.length);
    found.push(...items);
    if (items.length === 0 || found.length >= total) return found;
  }
}

/** The categories that products have, by name. */
export const categoriesQuery = queryOptions({
  queryKey: ["products", "categories"],
  queryFn: async () => {
    const all = await whole((offset) =>
      answer(api.GET("/api/products/", { params: { query: { limit: WHOLE, offset, sort: ["category"] } } })),
    );
    return [...new Set(all.map((one) => one.category ?? ""))].filter(Boolean).sort();
  },
  staleTime: 60_000,
});

export const productQuery = (id: string) =>
  queryOptions({
    queryKey: ["products", id],
    queryFn: () => answer(api.GET("/api/products/{id}", { params: { path: { id } } })),
  });

/** All SKUs of these products. */
export const skusQuery = (products: readonly string[]) =>
  queryOptions({
    queryKey: ["skus", products],
    queryFn: () =>
      whole((offset) =>
        answer(
          api.GET("/api/product-skus/", {
            params: { query: { limit: WHOLE, offset, product_id: [...products] } },
          }),
        ),
      ),
    enabled: products.length > 0,
    placeholderData: (previous) => previous,
  });
