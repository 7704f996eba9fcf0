import type { components } from "./api";

type Schemas = components["schemas"];

export type User = Schemas["User"];
export type Printer = Schemas["PrinterOut"];
export type PrinterIn = Schemas["PrinterIn"];
export type PrinterPatch = Schemas["PrinterPatch"];
export type PrintFile = Schemas["FileOut"];
export type Plate = Schemas["PlateOut"];
export type Filament = Schemas["FilamentOut"];
export type Job = Schemas["JobOut"];
export type JobDetail = Schemas["JobDetail"];
export type JobStep = Schemas["JobStep"];
export type JobIn = Schemas["JobIn"];
export type Hub = Schemas["HubOut"];
export type Person = Schemas["UserOut"];
export type Login = Schemas["SessionOut"];
export type Invitation = Schemas["InvitationOut"];
export type ApiKey = Schemas["ApiKeyOut"];
export type FarmSettings = Schemas["Farm"];
export type AuditEntry = Schemas["AuditOut"];
export type Product = Schemas["ProductOut"];
export type ProductDetail = Schemas["ProductDetail"];
export type Sku = Schemas["ProductSkuOut"];
