import { useQuery } from "@tanstack/react-query";
import { FileBox, ImageUp, Pencil, Plus, Trash2 } from "lucide-react";
import { useRef, useState } from "react";
import { useAction, useCanOperate } from "../../api/actions";
import { answer, api } from "../../api/client";
import { filesQuery, productQuery, settingsQuery } from "../../api/queries";
import type { ProductDetail, Sku } from "../../api/types";
import { isLow, price } from "../../domain/catalog";
import { baseName, duration } from "../../domain/format";
import { Button, IconButton } from "../../ui/button";
import { Confirm, Dialog } from "../../ui/dialog";
import { Failed, Skeleton } from "../../ui/feedback";
import { inputClass } from "../../ui/field";
import { Swatch } from "../../ui/filament";
import { Thumb } from "../../ui/thumb";
import { EditProduct } from "./form";
import { SkuForm } from "./sku-form";

function sendPicture(id: string, file: File) {
  const form = new FormData();
  form.append("file", file, file.name);
  const bodySerializer = () => form;
  return answer(
    api.POST("/api/products/{id}/image", {
      params: { path: { id } },
      body: { file: "" },
      bodySerializer,
    }),
  );
}

function Picture({ product, operate }: { product: ProductDetail; operate: boolean }) {
  const input = useRef<HTMLInputElement>(null);
  const send = useAction((file: File) => sendPicture(product.id, file), { stale: ["products"] });
  const remove = useAction(
    () => answer(api.DELETE("/api/products/{id}/image", { params: { path: { id: product.id } } })),
    { stale: ["products"] },
  );
  return (
    <div>
      <Thumb
        src={product.image_url}
        alt={product.image_url ? `Picture of ${product.name}` : ""}
        className="aspect-[16/9] w-full"
      />
      {operate && (
        <div className="mt-2 flex gap-2">
          <input
            ref={input}
            type="file"
            accept="image/png,image/jpeg,image/webp"
            className="sr-only"
            tabIndex={-1}
            aria-label="Choose a picture"
            onChange={(event) => {
              const file = event.target.files?.[0];
              if (file) send.mutate(file);
              event.target.value = "";
            }}
          />
          <Button size="sm" icon={ImageUp} busy={send.isPending} onClick={() => input.current?.click()}>
            {product.has_image ? "Other picture" : "Add picture"}
          </Button>
          {product.has_image && (
            <Button look="ghost" size="sm" busy={remove.isPending} onClick={() => remove.mutate()}>
              Remove picture
            </Button>
          )}
        </div>
      )}
    </div>
  );
}

function SkuRow({ sku, currency, onEdit }: { sku: Sku; currency: string; onEdit?: () => void }) {
  return (
    <tr data-sku={sku.id} className={sku.is_active ? "" : "text-ink-faint"}>
      <th scope="row" className="py-2 pr-3 text-left font-medium">
        <span className="flex items-center gap-2">
          <Swatch color={sku.hex_code ?? ""} />
          <span className="min-w-0">
            <span className="block break-all">{sku.sku}</span>
            <span className="block text-[0.8125rem] font-normal text-ink-faint">
              {[sku.color, sku.filament_type, !sku.is_active && "not active"].filter(Boolean).join(" · ")}
            </span>
          </span>
        </span>
      </th>
      <td className="num px-2 py-2 text-right">{price(sku.price, currency)}</td>
      <td className="num px-2 py-2 text-right">
        {sku.stock_level}
        {isLow(sku) && <span className="block text-[0.8125rem] font-medium text-paused">low</span>}
      </td>
      <td className="num px-2 py-2 text-right text-ink-faint">{sku.low_stock_threshold || "–"}</td>
      {onEdit && (
        <td className="w-11 py-1">
          <IconButton label={`Edit ${sku.sku}`} icon={Pencil} onClick={onEdit} />
        </td>
      )}
    </tr>
  );
}

function Skus({ product, operate }: { product: ProductDetail; operate: boolean }) {
  const currency = useQuery(settingsQuery).data?.settings.currency ?? "EUR";
  const [editing, setEditing] = useState<Sku | "new" | null>(null);
  return (
    <section>
      <div className="mb-1 flex items-center justify-between">
        <h3 className="font-semibold">SKUs</h3>
        {operate && (
          <Button size="sm" icon={Plus} onClick={() => setEditing("new")}>
            Add SKU
          </Button>
        )}
      </div>
      {product.skus.length === 0 ? (
        <p className="text-sm text-ink-soft">
          None yet. A SKU is this product in one colour and pack size: what is stocked and sold.
        </p>
      ) : (
        <table className="w-full text-sm">
          <thead>
            <tr className="label">
              <th scope="col" className="py-1 text-left font-normal">
                SKU
              </th>
              <th scope="col" className="px-2 text-right font-normal">
                Price
              </th>
              <th scope="col" className="px-2 text-right font-normal">
                Stock
              </th>
              <th scope="col" className="px-2 text-right font-normal">
                Low below
              </th>
              {operate && (
                <th scope="col">
                  <span className="sr-only">Edit</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody className="divide-y">
            {product.skus.map((sku) => (
              <SkuRow
                key={sku.id}
                sku={sku}
                currency={currency}
                {...(operate && { onEdit: () => setEditing(sku) })}
              />
            ))}
          </tbody>
        </table>
      )}
      {editing && (
        <SkuForm
          productId={product.id}
          {...(editing !== "new" && { sku: editing })}
          onClose={() => setEditing(null)}
        />
      )}
    </section>
  );
}

function PrintFiles({ product, operate }: { product: ProductDetail; operate: boolean }) {
  const files = useQuery({ ...filesQuery, enabled: operate });
  const link = useAction(
    ({ file, to }: { file: string; to: string | null }) =>
      answer(api.PATCH("/api/files/{id}", { params: { path: { id: file } }, body: { product_id: to } })),
    { stale: ["products", "files"] },
  );
  const free = files.data?.items.filter((file) => !file.product_id) ?? [];
  return (
    <section>
      <h3 className="mb-1 font-semibold">Print files</h3>
      {product.print_files.length === 0 && (
        <p className="text-sm text-ink-soft">
          None yet. Link the sliced files that this product is printed from.
        </p>
      )}
      <ul className="divide-y">
        {product.print_files.map((file) => (
          <li key={file.id} className="flex items-center gap-3 py-2">
            <FileBox aria-hidden className="size-5 shrink-0 text-ink-faint" />
            <div className="min-w-0 grow">
              <p className="truncate text-sm">{baseName(file.name)}</p>
              <p className="num text-[0.8125rem] text-ink-faint">
                {file.print_time_seconds ? duration(file.print_time_seconds) : "time unknown"} ·{" "}
                {file.number_of_units} a print
              </p>
            </div>
            {operate && (
              <Button
                look="ghost"
                size="sm"
                aria-label={`Unlink ${baseName(file.name)}`}
                onClick={() => link.mutate({ file: file.id, to: null })}
              >
                Unlink
              </Button>
            )}
          </li>
        ))}
      </ul>
      {operate && free.length > 0 && (
        <select
          aria-label="Link a print file"
          className={`${inputClass} mt-2`}
          value=""
          disabled={link.isPending}
          onChange={(event) => link.mutate({ file: event.target.value, to: product.id })}
        >
          <option value="">Link a file…</option>
          {free.map((file) => (
            <option key={file.id} value={file.id}>
              {baseName(file.name)}
            </option>
          ))}
        </select>
      )}
    </section>
  );
}

type Asked = "edit" | "remove" | null;

function Loaded({ product, onClose }: { product: ProductDetail; onClose: () => void }) {
  const operate = useCanOperate();
  const [asked, setAsked] = useState<Asked>(null);
  const remove = useAction(
    () => answer(api.DELETE("/api/products/{id}", { params: { path: { id: product.id } } })),
    { stale: ["skus", "files"], done: onClose },
  );
  return (
    <Dialog
      form="side"
      title={product.name}
      subtitle={[product.category, !product.is_active && "not active"].filter(Boolean).join(" · ")}
      onClose={onClose}
      footer={
        operate && (
          <>
            <Button look="ghost" icon={Trash2} className="mr-auto" onClick={() => setAsked("remove")}>
              Remove
            </Button>
            <Button icon={Pencil} onClick={() => setAsked("edit")}>
              Edit
            </Button>
          </>
        )
      }
    >
      <div className="grid gap-6">
        <Picture product={product} operate={operate} />
        {product.description && <p className="text-sm whitespace-pre-line">{product.description}</p>}
        <Skus product={product} operate={operate} />
        <PrintFiles product={product} operate={operate} />
      </div>
      {asked === "edit" && <EditProduct product={product} onClose={() => setAsked(null)} />}
      {asked === "remove" && (
        <Confirm
          title={`Remove ${product.name}?`}
          text="The product and its SKUs are gone. Its print files stay. A product that orders need cannot be removed: switch it off instead."
          action="Remove product"
          busy={remove.isPending}
          onConfirm={() => remove.mutate()}
          onClose={() => setAsked(null)}
        />
      )}
    </Dialog>
  );
}

export default function Sheet({ id, onClose }: { id: string; onClose: () => void }) {
  const product = useQuery(productQuery(id));
  if (product.data) return <Loaded product={product.data} onClose={onClose} />;
  return (
    <Dialog form="side" title="Product" onClose={onClose}>
      {product.error ? (
        <Failed error={product.error} onRetry={() => void product.refetch()} />
      ) : (
        <Skeleton className="h-96" />
      )}
    </Dialog>
  );
}
