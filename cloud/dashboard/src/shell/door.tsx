import type { ReactNode } from "react";
import { Logo } from "./logo";

/** The quiet page around a form before one is signed in. */
export function Door({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="grid min-h-dvh place-items-center px-4 py-10">
      <div className="w-full max-w-sm">
        <Logo className="mb-6 size-14" />
        <h1 className="mb-6 text-[1.75rem] leading-tight font-semibold tracking-[-0.02em]">{title}</h1>
        {children}
      </div>
    </main>
  );
}
