import { Bluetooth, Check, LoaderCircle } from "lucide-react";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { Button } from "../ui/button";
import { cx } from "../ui/cx";
import { Problem } from "../ui/feedback";
import { Switch, TextField } from "../ui/field";
import { airName } from "./label";
import type { Pairing } from "./memory";
import { type Label, PairingError, pair, type Step } from "./pairing";
import { Radio } from "./radio";
import { failureText, STEPS } from "./words";

const codeOf = (error: unknown): string => (error instanceof PairingError ? error.code : "");
const ORDER = Object.keys(STEPS) as Step[];

function Progress({ step }: { step: Step }) {
  const at = ORDER.indexOf(step);
  return (
    <ol role="status" className="grid gap-3">
      {ORDER.slice(0, -1).map((one, index) => (
        <li
          key={one}
          aria-current={index === at ? "step" : undefined}
          className={cx("flex items-center gap-3", index > at && "text-ink-faint")}
        >
          {index < at && <Check aria-label="Done:" className="size-5 text-idle" />}
          {index === at && <LoaderCircle aria-label="Now:" className="size-5 animate-spin" />}
          {index > at && (
            <span aria-hidden className="grid size-5 place-items-center">
              ·
            </span>
          )}
          {STEPS[one]}
        </li>
      ))}
    </ol>
  );
}

interface Wifi {
  ssid: string;
  psk: string;
}

interface WifiFormProps {
  start: Wifi;
  /** What is to be typed first. */
  focus: keyof Wifi;
  action: string;
  onWifi: (wifi: Wifi) => void;
}

function WifiForm({ start, focus, action, onWifi }: WifiFormProps) {
  const [visible, setVisible] = useState(false);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    onWifi({ ssid: String(data.get("ssid")), psk: String(data.get("psk")) });
  };
  const plain = { autoComplete: "off", autoCapitalize: "none", spellCheck: false } as const;
  return (
    <form className="grid gap-4" onSubmit={submit}>
      <TextField
        label="Wi-Fi name"
        name="ssid"
        required
        autoFocus={focus === "ssid"}
        maxLength={32}
        defaultValue={start.ssid}
        hint="The network your printers are in, 2.4 GHz."
        {...plain}
      />
      <TextField
        label="Wi-Fi password"
        name="psk"
        type={visible ? "text" : "password"}
        minLength={8}
        maxLength={63}
        autoFocus={focus === "psk"}
        defaultValue={start.psk}
        hint="Goes to the hub only, encrypted. Leave it empty for an open network."
        {...plain}
      />
      <Switch label="Show the password" checked={visible} onChange={() => setVisible(!visible)} />
      <Button type="submit" look="primary" size="lg" icon={Bluetooth}>
        {action}
      </Button>
    </form>
  );
}

export interface WayProps {
  label: Label;
  pairing: Pairing;
  /** The token is spent: a new pairing must begin. */
  onTokenGone: () => void;
}

/** By Bluetooth: the network's name and password, one list to choose the hub from, and then it works by itself. */
export function OverRadio({ label, pairing, onTokenGone }: WayProps) {
  const [wifi, setWifi] = useState<Wifi>({ ssid: "", psk: "" });
  const [step, setStep] = useState<Step | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const radio = useRef<Radio | null>(null);
  const leaving = useRef(new AbortController());
  useEffect(() => {
    const control = new AbortController();
    leaving.current = control;
    return () => {
      control.abort();
      radio.current?.close();
    };
  }, []);

  const failed = (error: unknown) => {
    setStep(null);
    setFailure(error);
    const code = codeOf(error);
    if (code === "other_hub") radio.current = null;
    if (code === "token_invalid") onTokenGone();
  };
  const send = async (typed: Wifi) => {
    setWifi(typed);
    setFailure(null);
    try {
      // Chosen once: a second try goes to the same hub without asking.
      radio.current ??= await Radio.choose(label.device);
      if (!radio.current) return;
      setStep("ready");
      const tz = Intl.DateTimeFormat().resolvedOptions().timeZone;
      const content = { ...typed, url: pairing.cloud, t: pairing.token, ...(tz && { tz }) };
      await pair(radio.current, label, content, setStep, leaving.current.signal);
    } catch (error) {
      if (!leaving.current.signal.aborted) failed(error);
    }
  };

  if (step)
    return (
      <>
        <Progress step={step} />
        <p className="mt-6 text-sm text-ink-soft">Stay close to the hub. This takes about half a minute.</p>
      </>
    );
  return (
    <div className="grid gap-4">
      {failure ? (
        <Problem>{failureText(failure)}</Problem>
      ) : (
        <p className="text-ink-soft">
          Plug the hub in. When its light blinks, give it the network and choose{" "}
          <strong className="font-medium text-ink">{airName(label.device)}</strong> from the list.
        </p>
      )}
      <WifiForm
        start={wifi}
        focus={codeOf(failure) === "wrong_password" ? "psk" : "ssid"}
        action={failure ? "Try again" : "Connect"}
        onWifi={(typed) => void send(typed)}
      />
    </div>
  );
}
