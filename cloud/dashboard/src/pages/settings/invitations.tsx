import { useQuery } from "@tanstack/react-query";
import { UserPlus } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { toast } from "sonner";
import { useAction } from "../../api/actions";
import { answer, api } from "../../api/client";
import { sentence } from "../../api/errors";
import type { Invitation } from "../../api/types";
import { ROLE_MEANS, ROLES, type Role } from "../../domain/accounts";
import { moment } from "../../domain/format";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Failed, Problem, Skeleton } from "../../ui/feedback";
import { SelectField, TextField } from "../../ui/field";
import { useNow } from "../../ui/now";
import { Secret, Section } from "../../ui/section";

type Made = Invitation & { link: string | null };

/** Where no mail leaves the installation, the link is passed on by hand. */
function Link({ made, link, onClose }: { made: Made; link: string; onClose: () => void }) {
  return (
    <Dialog
      title={`The invitation of ${made.name || made.email}`}
      onClose={onClose}
      footer={
        <Button look="primary" onClick={onClose}>
          Done
        </Button>
      }
    >
      <p className="mb-4 text-sm text-ink-soft">
        This server sends no mail: pass the link on yourself. It lets whoever opens it in, once, and is shown
        only now.
      </p>
      <Secret text={link} what="the link" />
    </Dialog>
  );
}

function Invite({ onMade, onClose }: { onMade: (made: Made) => void; onClose: () => void }) {
  const form = useId();
  const invite = useAction(
    (body: { email: string; name: string; role: Role }) => answer(api.POST("/api/invitations/", { body })),
    { stale: ["invitations"], done: onMade },
  );
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const text = (name: string) => String(data.get(name) ?? "").trim();
    invite.mutate({ email: text("email"), name: text("name"), role: text("role") as Role });
  };
  return (
    <Dialog
      title="Invite somebody"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form={form} look="primary" busy={invite.isPending}>
            Invite
          </Button>
        </>
      }
    >
      <form id={form} className="grid gap-4 pt-1" onSubmit={submit}>
        <TextField label="E-mail" name="email" type="email" required autoComplete="off" />
        <TextField label="Name" name="name" maxLength={100} autoComplete="off" />
        <SelectField label="Role" name="role" defaultValue="operator">
          {ROLES.map((role) => (
            <option key={role} value={role}>
              {role}: {ROLE_MEANS[role]}
            </option>
          ))}
        </SelectField>
        {invite.error && <Problem>{sentence(invite.error)}</Problem>}
      </form>
    </Dialog>
  );
}

function Row({ invitation, onMade }: { invitation: Invitation; onMade: (made: Made) => void }) {
  const now = useNow();
  const params = { path: { id: invitation.id } };
  const resend = useAction(() => answer(api.POST("/api/invitations/{id}/resend", { params })), {
    stale: ["invitations"],
    done: onMade,
  });
  const back = useAction(() => answer(api.DELETE("/api/invitations/{id}", { params })), {
    stale: ["invitations"],
  });
  const expired = new Date(invitation.expires_at) < now;
  return (
    <li data-invitation={invitation.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 py-3">
      <div className="min-w-0 grow">
        <p className="truncate text-sm font-medium">{invitation.email}</p>
        <p className="num text-[0.8125rem] text-ink-faint">
          as {invitation.role} · invited {moment(invitation.created_at, now)}
          {expired && " · expired"}
        </p>
      </div>
      <div className="-mx-3 flex">
        <Button
          look="ghost"
          size="sm"
          busy={resend.isPending}
          aria-label={`Invite ${invitation.email} again`}
          onClick={() => resend.mutate()}
        >
          Send again
        </Button>
        <Button
          look="ghost"
          size="sm"
          busy={back.isPending}
          aria-label={`Take the invitation of ${invitation.email} back`}
          onClick={() => back.mutate()}
        >
          Take back
        </Button>
      </div>
    </li>
  );
}

export function Invitations() {
  const invitations = useQuery({
    queryKey: ["invitations"],
    queryFn: () => answer(api.GET("/api/invitations/", { params: { query: { limit: 200 } } })),
  });
  const [inviting, setInviting] = useState(false);
  const [made, setMade] = useState<Made | null>(null);
  const sent = (one: Made) => {
    setInviting(false);
    if (one.link) setMade(one);
    else toast.success(`The invitation is on its way to ${one.email}`);
  };
  const open = invitations.data?.items.filter((one) => !one.used_at && !one.revoked_at);
  return (
    <Section
      title="Invitations"
      text={open?.length === 0 && "Nobody is invited. Who is invited chooses a name and a password."}
      actions={
        <Button look="primary" size="sm" icon={UserPlus} onClick={() => setInviting(true)}>
          Invite
        </Button>
      }
    >
      {invitations.isPending && <Skeleton className="h-12" />}
      {invitations.isError && <Failed error={invitations.error} onRetry={() => void invitations.refetch()} />}
      <ul className="divide-y">
        {open?.map((one) => (
          <Row key={one.id} invitation={one} onMade={sent} />
        ))}
      </ul>
      {inviting && <Invite onMade={sent} onClose={() => setInviting(false)} />}
      {made?.link && <Link made={made} link={made.link} onClose={() => setMade(null)} />}
    </Section>
  );
}
