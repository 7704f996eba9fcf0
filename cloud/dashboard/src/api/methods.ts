import { queryOptions } from "@tanstack/react-query";
import { refused } from "./errors";

/** The ways into this installation. */
export interface Methods {
  password: boolean;
  oidc: { name: string } | null;
  signup: boolean;
}

const PASSWORD_ONLY: Methods = { password: true, oidc: null, signup: false };

/** An installation that does not tell its ways in knows the password only. */
async function methods(): Promise<Methods> {
  const response = await window.fetch("/api/auth/methods");
  const body: unknown = await response.json().catch(() => null);
  if (response.status === 404) return PASSWORD_ONLY;
  if (!response.ok) throw refused(response.status, body);
  return body as Methods;
}

export const methodsQuery = queryOptions({
  queryKey: ["methods"],
  queryFn: methods,
  staleTime: Number.POSITIVE_INFINITY,
});
