import createClient from "openapi-fetch";
import type { paths } from "./api";
import { refused } from "./errors";
import { session } from "./session";

export const api = createClient<paths>({
  baseUrl: window.location.origin,
  credentials: "same-origin",
  fetch: session.fetch,
});

interface Outcome<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The answer's body, or an ApiError thrown. */
export async function answer<T>(request: Promise<Outcome<T>>): Promise<T> {
  const { data, error, response } = await request;
  if (!response.ok) throw refused(response.status, error);
  return data as T;
}
