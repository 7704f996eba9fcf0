import { X } from "lucide-react";
import { useState } from "react";
import { useAction } from "../../api/actions";
import { answer, api } from "../../api/client";
import type { Sku } from "../../api/types";
import { centsOf } from "../../domain/catalog";
import { colorName } from "../../domain/colors";
import { IconButton } from "../../ui/button";
import { Switch, TextField } from "../../ui/field";
import { FormDialog } from "./form";

interface Body {
  sku: string;
  color: string;
  hex_code: string | null;
  filament_type: string | null;
  quantity: number;
  low_stock_threshold: number;
  price: number | null;
  is_active: boolean;
}

function bodyOf(data: FormData, hex: string): Body {
  const text = (name: string) => String(data.get(name) ?? "").trim();
  return {
    sku: text("sku"),
    color: text("color") || (hex ? colorName(hex) : ""),
    hex_code: hex ? hex.toUpperCase() : null,
    filament_type: text("filament_type") || null,
    quantity: Number(text("quantity")),
    low_stock_threshold: Number(text("threshold")),
    price: centsOf(text("price")),
    is_active: data.has("is_active"),
  };
}

export function SkuForm({ productId, sku, onClose }: { productId: string; sku?: Sku; onClose: () => void }) {
  const [hex, setHex] = useState(sku?.hex_code ?? "");
  const save = useAction(
    (body: Body) =>
      sku
        ? answer(
            api.PATCH("/api/product-skus/{id}", {
              params: { path: { id: sku.id }, header: { "If-Match": `"v${sku.version}"` } },
              body,
            }),
          )
        : answer(api.POST("/api/products/{id}/skus", { params: { path: { id: productId } }, body })),
    { stale: ["products", "skus"], done: onClose },
  );
  return (
    <FormDialog
      title={sku ? `Edit ${sku.sku}` : "Add a SKU"}
      action={sku ? "Save" : "Add SKU"}
      busy={save.isPending}
      error={save.error}
      onData={(data) => save.mutate(bodyOf(data, hex))}
      onClose={onClose}
    >
      <TextField label="SKU" name="sku" required maxLength={100} autoComplete="off" defaultValue={sku?.sku} />
      <div className="grid grid-cols-[1fr_8rem] gap-4">
        <TextField label="Colour" name="color" maxLength={100} autoComplete="off" defaultValue={sku?.color} />
        <div className="flex items-end gap-1">
          <TextField
            label="Swatch"
            type="color"
            className="p-1!"
            value={hex || "#ffffff"}
            onChange={(event) => setHex(event.target.value)}
          />
          {hex ? (
            <IconButton label="No swatch" icon={X} onClick={() => setHex("")} />
          ) : (
            <span className="pb-2.5 text-sm text-ink-faint">none</span>
          )}
        </div>
      </div>
      <div className="grid grid-cols-2 gap-4">
        <TextField
          label="Filament"
          name="filament_type"
          placeholder="PLA"
          maxLength={40}
          defaultValue={sku?.filament_type ?? ""}
        />
        <TextField
          label="Pieces a unit"
          name="quantity"
          type="number"
          min={1}
          required
          defaultValue={sku?.quantity ?? 1}
        />
        <TextField
          label="Price"
          name="price"
          inputMode="decimal"
          pattern="\d{1,7}([.,]\d{1,2})?"
          placeholder="12.50"
          defaultValue={sku?.price == null ? "" : (sku.price / 100).toFixed(2)}
        />
        <TextField
          label="Low below"
          name="threshold"
          type="number"
          min={0}
          required
          defaultValue={sku?.low_stock_threshold ?? 0}
        />
      </div>
      <Switch label="Active" name="is_active" defaultChecked={sku?.is_active ?? true} />
    </FormDialog>
  );
}
