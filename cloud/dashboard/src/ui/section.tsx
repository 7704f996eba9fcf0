import { Check, Copy } from "lucide-react";
import { type ReactNode, useState } from "react";
import { IconButton } from "./button";

/** One subject of a page, with its heading. */
export function Section({
  title,
  text,
  actions,
  children,
}: {
  title: string;
  text?: ReactNode;
  actions?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <section className="rounded-2xl border bg-sheet p-4 shadow-card sm:p-5">
      <div className="flex flex-wrap items-start justify-between gap-x-4 gap-y-2">
        <div className="min-w-0">
          <h2 className="text-base font-semibold">{title}</h2>
          {text && <p className="mt-1 max-w-prose text-sm text-ink-soft">{text}</p>}
        </div>
        {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
      </div>
      {children && <div className="mt-4">{children}</div>}
    </section>
  );
}

/** A word that is shown once and wants to be taken along. */
export function Secret({ text, what }: { text: string; what: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <div className="flex items-center gap-2 rounded-xl bg-well p-3">
      <code className="min-w-0 grow text-sm break-all select-all">{text}</code>
      <IconButton label={`Copy ${what}`} icon={copied ? Check : Copy} onClick={() => void copy()} />
      <span role="status" className="sr-only">
        {copied && "Copied"}
      </span>
    </div>
  );
}
