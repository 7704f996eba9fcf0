"""What is owed and what is there: orders, work for people, stock."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, PrimaryKeyConstraint, Table, UniqueConstraint

from cloud.storage.tables.base import (
    flag,
    id_column,
    legacy,
    maybe_float,
    maybe_number,
    maybe_words,
    metadata,
    not_negative,
    number,
    one_of,
    tenant,
    version,
    within_tenant,
    words,
)

ORDER_STATUSES = ("open", "in_production", "ready", "fulfilled", "cancelled")
TASK_STATUSES = ("pending", "in_progress", "completed", "cancelled")
PRIORITIES = ("low", "medium", "high", "urgent")
GOODS_STATUSES = ("in_stock", "low_stock", "out_of_stock")
MOVEMENTS = ("opening", "print", "assembly", "sale", "return", "adjustment", "correction")

orders = Table(
    "orders",
    metadata,
    # Who the customer is stays in the shop: production needs a number, SKUs, quantities and a date.
    id_column(),
    tenant(),
    words("order_number"),
    words("source", server_default="manual"),  # or the shop's kind, "shopify"
    maybe_words("external_id"),  # the shop's own id
    words("status", server_default="open"),
    maybe_words("due_date"),
    words("notes", server_default=""),
    maybe_number("total_price"),  # cents
    maybe_words("currency"),
    words("ordered_at"),
    maybe_words("fulfilled_at"),
    words("created_at"),
    words("updated_at"),
    version(),
    UniqueConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "source", "order_number"),
    UniqueConstraint("tenant_id", "source", "external_id"),
    one_of("status", ORDER_STATUSES),
    Index(None, "tenant_id", "status", "ordered_at"),
    Index(None, "tenant_id", "ordered_at"),
    Index(None, "tenant_id", "due_date"),
)

order_lines = Table(
    "order_lines",
    metadata,
    id_column(),
    tenant(),
    words("order_id"),
    maybe_words("product_sku_id"),  # NULL: nobody has said yet which of our SKUs it is
    words("sku"),  # as the order says it
    words("title", server_default=""),
    number("quantity", 1),
    number("fulfilled_quantity"),
    maybe_number("unit_price"),  # cents
    words("notes", server_default=""),  # engraving and the like
    maybe_words("external_id"),
    words("created_at"),
    words("updated_at"),
    version(),
    within_tenant("order_id", "orders", ondelete="CASCADE"),
    within_tenant("product_sku_id", "product_skus"),
    UniqueConstraint("tenant_id", "id"),
    UniqueConstraint("order_id", "external_id"),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("fulfilled_quantity BETWEEN 0 AND quantity", name="fulfilled_quantity"),
    Index(None, "tenant_id", "order_id"),
    Index(None, "tenant_id", "product_sku_id"),
)

finished_goods = Table(
    "finished_goods",
    metadata,
    # Where the stock of a SKU lies, and how much of it still has to be assembled.
    id_column(),
    tenant(),
    maybe_words("product_sku_id"),  # NULL only on a migrated row whose SKU was gone
    maybe_words("print_job_id"),  # no reference: the goods outlive the job
    words("sku", server_default=""),
    words("color", server_default=""),
    maybe_words("material"),
    words("location", server_default=""),
    number("current_stock"),  # the sum of its stock movements, kept in step by the ledger
    number("low_stock_threshold"),
    number("quantity_per_sku", 1),
    maybe_number("unit_price"),  # cents
    maybe_number("extra_cost"),  # cents
    maybe_float("profit_margin"),  # percent
    flag("requires_assembly", False),
    number("quantity_assembled"),
    number("quantity_needs_assembly"),
    words("status", server_default="out_of_stock"),
    maybe_words("image_url"),
    flag("is_active", True),
    words("created_at"),
    words("updated_at"),
    version(),
    legacy(),
    within_tenant("product_sku_id", "product_skus"),
    UniqueConstraint("tenant_id", "id"),
    one_of("status", GOODS_STATUSES),
    *not_negative("current_stock", "low_stock_threshold", "quantity_assembled", "quantity_needs_assembly"),
    CheckConstraint("quantity_per_sku > 0", name="quantity_per_sku"),
    Index(None, "tenant_id", "product_sku_id"),
    Index(None, "tenant_id", "updated_at"),
)

stock_movements = Table(
    "stock_movements",
    metadata,
    # Append-only: the stock of a SKU is the sum of its movements.
    id_column(),
    tenant(),
    words("product_sku_id"),
    maybe_words("finished_good_id"),
    words("kind"),
    number("delta"),
    number("balance"),  # of the SKU, after it
    words("reason", server_default=""),
    maybe_words("cause"),  # what it comes from, "job:<id>:<attempt>": the same cause never moves stock twice
    maybe_words("order_line_id"),  # no reference: the books outlive orders
    words("actor", server_default=""),
    words("at"),
    within_tenant("product_sku_id", "product_skus"),
    within_tenant("finished_good_id", "finished_goods"),
    UniqueConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "cause"),
    one_of("kind", MOVEMENTS),
    CheckConstraint("delta <> 0", name="delta"),
    Index(None, "tenant_id", "product_sku_id", "at"),
    Index(None, "tenant_id", "at"),
)

assembly_tasks = Table(
    "assembly_tasks",
    metadata,
    id_column(),
    tenant(),
    maybe_words("product_id"),
    maybe_words("finished_good_id"),
    words("product_name", server_default=""),
    words("sku", server_default=""),
    number("quantity", 1),
    words("status", server_default="pending"),
    words("priority", server_default="medium"),
    maybe_words("assigned_to"),
    words("notes", server_default=""),
    maybe_words("started_at"),
    maybe_words("completed_at"),
    words("created_at"),
    words("updated_at"),
    version(),
    legacy(),
    within_tenant("product_id", "products"),
    within_tenant("finished_good_id", "finished_goods"),
    UniqueConstraint("tenant_id", "id"),
    one_of("status", TASK_STATUSES),
    one_of("priority", PRIORITIES),
    CheckConstraint("quantity > 0", name="quantity"),
    Index(None, "tenant_id", "status", "created_at"),
    Index(None, "tenant_id", "created_at"),
    Index(None, "finished_good_id"),
    Index(None, "product_id"),
)

worklist_tasks = Table(
    "worklist_tasks",
    metadata,
    id_column(),
    tenant(),
    words("title"),
    words("subtitle", server_default=""),
    words("description", server_default=""),
    words("task_type", server_default="manual"),
    words("status", server_default="pending"),
    words("priority", server_default="medium"),
    maybe_words("due_date"),
    maybe_words("assembly_task_id"),
    maybe_words("printer_id"),
    maybe_words("assigned_to"),
    maybe_words("order_number"),
    maybe_number("estimated_time_minutes"),
    maybe_number("actual_time_minutes"),
    maybe_words("started_at"),
    maybe_words("completed_at"),
    words("metadata", server_default="{}"),  # JSON
    words("created_at"),
    words("updated_at"),
    version(),
    legacy(),
    within_tenant("assembly_task_id", "assembly_tasks"),
    within_tenant("printer_id", "printers"),
    UniqueConstraint("tenant_id", "id"),
    one_of("status", TASK_STATUSES),
    one_of("priority", PRIORITIES),
    Index(None, "tenant_id", "status", "created_at"),
    Index(None, "tenant_id", "created_at"),
    Index(None, "tenant_id", "due_date"),
    Index(None, "assembly_task_id"),
    Index(None, "printer_id"),
)

sync_logs = Table(
    "sync_logs",
    metadata,
    # The old system's record of its synchronisations, and what our own integrations do from here on.
    tenant(),
    Column("id", BigInteger, nullable=False),  # numbered within the tenant
    words("operation_type"),
    words("table_name", server_default=""),
    words("record_id", server_default=""),
    words("status"),
    maybe_words("error_message"),
    words("created_at"),
    legacy(),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index(None, "tenant_id", "created_at"),
    Index(None, "tenant_id", "status", "created_at"),
)
