import { type FormEvent, type ReactNode, useId } from "react";
import { useAction } from "../../api/actions";
import { answer, api } from "../../api/client";
import { sentence } from "../../api/errors";
import type { ProductDetail } from "../../api/types";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Problem } from "../../ui/feedback";
import { Switch, TextField } from "../../ui/field";

/** What the form gives; an empty category is none. */
function values(data: FormData) {
  const text = (name: string) => String(data.get(name) ?? "").trim();
  return {
    name: text("name"),
    category: text("category") || null,
    description: text("description"),
    is_active: data.has("is_active"),
    requires_assembly: data.has("requires_assembly"),
    requires_post_processing: data.has("requires_post_processing"),
  };
}
type Values = ReturnType<typeof values>;

function Fields({ product }: { product?: ProductDetail }) {
  return (
    <>
      <TextField
        label="Name"
        name="name"
        required
        maxLength={100}
        autoComplete="off"
        defaultValue={product?.name}
      />
      <TextField
        label="Category"
        name="category"
        maxLength={100}
        autoComplete="off"
        defaultValue={product?.category ?? ""}
      />
      <TextField label="Description" name="description" defaultValue={product?.description} />
      <div>
        <Switch label="Active" name="is_active" defaultChecked={product?.is_active ?? true} />
        <Switch
          label="Needs assembly"
          name="requires_assembly"
          defaultChecked={product?.requires_assembly ?? false}
        />
        <Switch
          label="Needs finishing after printing"
          name="requires_post_processing"
          defaultChecked={product?.requires_post_processing ?? false}
        />
      </div>
    </>
  );
}

export function FormDialog({
  title,
  action,
  busy,
  error,
  onData,
  onClose,
  children,
}: {
  title: string;
  action: string;
  busy: boolean;
  error: unknown;
  onData: (data: FormData) => void;
  onClose: () => void;
  children: ReactNode;
}) {
  const form = useId();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onData(new FormData(event.currentTarget));
  };
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form={form} look="primary" busy={busy}>
            {action}
          </Button>
        </>
      }
    >
      <form id={form} className="grid gap-4 pt-1" onSubmit={submit}>
        {children}
        {error ? <Problem>{sentence(error)}</Problem> : null}
      </form>
    </Dialog>
  );
}

export function AddProduct({
  onMade,
  onClose,
}: {
  onMade: (product: ProductDetail) => void;
  onClose: () => void;
}) {
  const add = useAction((body: Values) => answer(api.POST("/api/products/", { body })), {
    stale: ["products"],
    done: onMade,
  });
  return (
    <FormDialog
      title="Add a product"
      action="Add product"
      busy={add.isPending}
      error={add.error}
      onData={(data) => add.mutate(values(data))}
      onClose={onClose}
    >
      <Fields />
    </FormDialog>
  );
}

export function EditProduct({ product, onClose }: { product: ProductDetail; onClose: () => void }) {
  const save = useAction(
    (body: Values) =>
      answer(
        api.PATCH("/api/products/{id}", {
          params: { path: { id: product.id }, header: { "If-Match": `"v${product.version}"` } },
          body,
        }),
      ),
    { stale: ["products"], done: onClose },
  );
  return (
    <FormDialog
      title={`Edit ${product.name}`}
      action="Save"
      busy={save.isPending}
      error={save.error}
      onData={(data) => save.mutate(values(data))}
      onClose={onClose}
    >
      <Fields product={product} />
    </FormDialog>
  );
}
