/** What the API answers when it refuses: a code for programs, a sentence for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: Record<string, unknown> = {},
  ) {
    super(message);
    this.name = "ApiError";
  }
}

const UNREACHABLE = "The server does not answer. Check your connection and try again.";

/** Makes an ApiError of the body of a refused request, whatever stands in it. */
export function refused(status: number, body: unknown): ApiError {
  const error = (body as { error?: { code?: string; message?: string; details?: Record<string, unknown> } })
    ?.error;
  if (error?.message) return new ApiError(status, error.code ?? "error", error.message, error.details ?? {});
  return new ApiError(
    status,
    "error",
    status ? `The server answered with an error (${status}).` : UNREACHABLE,
  );
}

/** The sentence to show for anything thrown. */
export function sentence(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  if (error instanceof TypeError) return UNREACHABLE; // what fetch throws without a network
  return error instanceof Error ? error.message : String(error);
}

export const isSignedOut = (error: unknown): boolean => error instanceof ApiError && error.status === 401;
