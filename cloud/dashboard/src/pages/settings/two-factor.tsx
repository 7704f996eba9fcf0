import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Copy, Download } from "lucide-react";
import { type FormEvent, type ReactNode, useId, useState } from "react";
import { toast } from "sonner";
import { answer, api } from "../../api/client";
import { sentence } from "../../api/errors";
import { plural } from "../../domain/format";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Failed, Problem, Skeleton } from "../../ui/feedback";
import { TextField } from "../../ui/field";
import { Secret, Section } from "../../ui/section";

type Field = (name: string) => string;

/** A dialog with one form, whose answer `send` is handed on by `done`. */
function Ask<Out>({
  title,
  action,
  send,
  done,
  onClose,
  children,
}: {
  title: string;
  action: string;
  send: (field: Field) => Promise<Out>;
  done: (out: Out) => void;
  onClose: () => void;
  children: ReactNode;
}) {
  const form = useId();
  const ask = useMutation({ mutationFn: send, onSuccess: done });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    ask.mutate((name) => String(data.get(name) ?? "").trim());
  };
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form={form} look="primary" busy={ask.isPending}>
            {action}
          </Button>
        </>
      }
    >
      <form id={form} className="grid gap-4 pt-1" onSubmit={submit}>
        {children}
        {ask.error && <Problem>{sentence(ask.error)}</Problem>}
      </form>
    </Dialog>
  );
}

const PasswordField = () => (
  <TextField label="Password" name="password" type="password" autoComplete="current-password" required />
);

const CodeField = ({ hint }: { hint?: string }) => (
  <TextField
    label="Code"
    name="code"
    autoComplete="one-time-code"
    spellCheck={false}
    required
    maxLength={40}
    hint={hint ?? "Six digits from your authenticator app, or a recovery code."}
  />
);

function Codes({ codes, onClose }: { codes: readonly string[]; onClose: () => void }) {
  const text = `${codes.join("\n")}\n`;
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    toast.success("Copied");
  };
  return (
    <Dialog
      title="Your recovery codes"
      onClose={onClose}
      footer={
        <Button look="primary" onClick={onClose}>
          I have saved them
        </Button>
      }
    >
      <p className="text-sm text-ink-soft">
        Each lets you in once when your phone is not at hand. They are shown only now: keep them where you
        keep your passwords.
      </p>
      <ul className="num mt-4 grid grid-cols-2 gap-x-6 gap-y-1.5 rounded-xl bg-well p-4 font-mono text-sm">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <div className="mt-3 flex flex-wrap gap-2">
        <Button icon={Copy} onClick={() => void copy()}>
          Copy
        </Button>
        <Button
          icon={Download}
          onClick={() => {
            const link = document.createElement("a");
            link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
            link.download = "printfarm-recovery-codes.txt";
            link.click();
            URL.revokeObjectURL(link.href);
          }}
        >
          Download
        </Button>
      </div>
    </Dialog>
  );
}

interface Made {
  secret: string;
  qr_svg: string;
}

/** Setting up: password, then QR and a first code. */
function SetUp({ onCodes, onClose }: { onCodes: (codes: string[]) => void; onClose: () => void }) {
  const [made, setMade] = useState<Made | null>(null);
  if (!made)
    return (
      <Ask
        key="password"
        title="Switch on two-factor"
        action="Go on"
        send={(field) =>
          answer(api.POST("/api/two-factor/setup", { body: { current_password: field("password") } }))
        }
        done={setMade}
        onClose={onClose}
      >
        <PasswordField />
      </Ask>
    );
  return (
    <Ask
      key="code"
      title="Scan this with your authenticator app"
      action="Switch on"
      send={(field) => answer(api.POST("/api/two-factor/confirm", { body: { code: field("code") } }))}
      done={(out) => onCodes(out.recovery_codes)}
      onClose={onClose}
    >
      <img
        src={`data:image/svg+xml;utf8,${encodeURIComponent(made.qr_svg)}`}
        alt="QR code of the secret below"
        className="mx-auto size-52 rounded-xl bg-white p-2"
      />
      <div>
        <p className="mb-1.5 text-sm text-ink-soft">Or type the secret into the app:</p>
        <Secret text={made.secret} what="the secret" />
      </div>
      <CodeField hint="The six digits that the app shows now." />
    </Ask>
  );
}

export function TwoFactor() {
  const client = useQueryClient();
  const state = useQuery({ queryKey: ["two-factor"], queryFn: () => answer(api.GET("/api/two-factor/")) });
  const [asked, setAsked] = useState<"setup" | "renew" | "disable" | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  const settled = (made: string[] | null) => {
    setAsked(null);
    setCodes(made);
    void client.invalidateQueries({ queryKey: ["two-factor"] });
  };
  const close = () => setAsked(null);
  const on = state.data?.enabled;
  return (
    <Section
      title="Two-factor sign-in"
      text={
        on
          ? `On. ${plural(state.data?.recovery_codes_left ?? 0, "recovery code")} left.`
          : "Besides the password, signing in then takes a code from an app on your phone."
      }
      actions={
        state.data &&
        (on ? (
          <>
            <Button size="sm" onClick={() => setAsked("renew")}>
              New recovery codes
            </Button>
            <Button size="sm" onClick={() => setAsked("disable")}>
              Switch off
            </Button>
          </>
        ) : (
          <Button size="sm" look="primary" onClick={() => setAsked("setup")}>
            Switch on
          </Button>
        ))
      }
    >
      {state.isPending && <Skeleton className="h-6" />}
      {state.isError && <Failed error={state.error} onRetry={() => void state.refetch()} />}
      {asked === "setup" && <SetUp onCodes={settled} onClose={close} />}
      {asked === "renew" && (
        <Ask
          title="New recovery codes"
          action="Make new codes"
          send={(field) =>
            answer(api.POST("/api/two-factor/recovery-codes", { body: { code: field("code") } }))
          }
          done={(out) => settled(out.recovery_codes)}
          onClose={close}
        >
          <p className="text-sm text-ink-soft">The present ones stop working.</p>
          <CodeField />
        </Ask>
      )}
      {asked === "disable" && (
        <Ask
          title="Switch off two-factor"
          action="Switch off"
          send={(field) =>
            answer(
              api.POST("/api/two-factor/disable", {
                body: { password: field("password"), code: field("code") },
              }),
            )
          }
          done={() => settled(null)}
          onClose={close}
        >
          <PasswordField />
          <CodeField />
        </Ask>
      )}
      {codes && <Codes codes={codes} onClose={() => setCodes(null)} />}
    </Section>
  );
}
