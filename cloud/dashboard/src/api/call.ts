import { refused } from "./errors";
import { session } from "./session";

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** A request without the whole API's client: for small entries. The answer's body, or an ApiError thrown. */
export async function call<T>(
  method: Method,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<T> {
  const request = new Request(new URL(path, window.location.origin), {
    method,
    credentials: "same-origin",
    headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const response = await session.fetch(request);
  const answer: unknown = await response.json().catch(() => null);
  if (!response.ok) throw refused(response.status, answer);
  return answer as T;
}
