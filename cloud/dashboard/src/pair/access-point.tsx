import { Check, Copy, ExternalLink, LoaderCircle } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { buttonClass, IconButton } from "../ui/button";
import { airName, passphraseOf } from "./label";
import type { Pairing } from "./memory";
import type { Label } from "./pairing";

function Point({ number, children }: { number: number; children: ReactNode }) {
  return (
    <li className="flex gap-3">
      <span
        aria-hidden
        className="num grid size-7 shrink-0 place-items-center rounded-full bg-well text-sm font-medium"
      >
        {number}
      </span>
      <div className="min-w-0 grow">{children}</div>
    </li>
  );
}

/**
 * Without Bluetooth, as on iPhones: the phone joins the hub's own access point and goes on at the hub's page, which is
 * given the token and the cloud's address behind the `#`, where no request carries them. Not the label's secret: should
 * the phone be in another network, whoever answers there learns a token that is worth nothing without it.
 */
export function AccessPoint({ label, pairing }: { label: Label; pairing: Pairing }) {
  const [password, setPassword] = useState("");
  const [copied, setCopied] = useState(false);
  useEffect(() => void passphraseOf(label.secret).then(setPassword), [label]);
  const handed = new URLSearchParams({ t: pairing.token, u: pairing.cloud });
  const copy = async () => {
    await navigator.clipboard.writeText(password);
    setCopied(true);
  };
  return (
    <>
      <ol className="grid gap-5">
        <Point number={1}>
          <p>Plug the hub in and wait until its light blinks.</p>
        </Point>
        <Point number={2}>
          <p>
            In your phone's Wi-Fi settings join{" "}
            <strong className="font-medium">{airName(label.device)}</strong>, or scan the smaller code on the
            label. Its password:
          </p>
          <div className="mt-2 flex items-center gap-2 rounded-xl bg-well py-1 pr-1 pl-3">
            <code className="min-w-0 grow break-all select-all">{password}</code>
            <IconButton label="Copy the password" icon={copied ? Check : Copy} onClick={() => void copy()} />
          </div>
        </Point>
        <Point number={3}>
          <p className="mb-2">Come back here and choose your network on the hub's own page.</p>
          <a
            href={`${pairing.page}#${handed}`}
            target="_blank"
            rel="noreferrer"
            className={`${buttonClass("primary", "lg")} w-full`}
          >
            <ExternalLink aria-hidden className="size-5" />
            Open the hub's page
          </a>
        </Point>
        <Point number={4}>
          <p>When it says “done”, let your phone go back to its usual network and return to this page.</p>
        </Point>
      </ol>
      <p role="status" className="mt-6 flex items-center gap-2 text-sm text-ink-soft">
        <LoaderCircle aria-hidden className="size-4.5 animate-spin" />
        Waiting for the hub
      </p>
    </>
  );
}
