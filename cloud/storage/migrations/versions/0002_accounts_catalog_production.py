"""Everything beside the main job: accounts in full, the catalog, production."""

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "actor", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False)

    op.create_table(
        "links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("used_at", sa.Text(), nullable=True),
        sa.Column("revoked_at", sa.Text(), nullable=True),
        sa.CheckConstraint("purpose IN ('invitation', 'password', 'signup')", name=op.f("ck_links_purpose")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_links_token_hash")),
    )
    op.create_index(op.f("ix_links_expires_at"), "links", ["expires_at"], unique=False)
    op.create_index(op.f("ix_links_tenant_id_created_at"), "links", ["tenant_id", "created_at"], unique=False)

    op.create_table(
        "audit_log",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object_type", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), server_default="", nullable=False),
        sa.Column("details", sa.Text(), server_default="{}", nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("request_id", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_audit_log_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index(op.f("ix_audit_log_tenant_id_actor_at"), "audit_log", ["tenant_id", "actor", "at"], unique=False)
    op.create_index(op.f("ix_audit_log_tenant_id_at"), "audit_log", ["tenant_id", "at"], unique=False)
    op.create_index(
        op.f("ix_audit_log_tenant_id_object_type_object_id_at"),
        "audit_log",
        ["tenant_id", "object_type", "object_id", "at"],
        unique=False,
    )

    op.create_table(
        "build_plate_types",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("legacy", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_build_plate_types_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_build_plate_types")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_build_plate_types_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_build_plate_types_tenant_id_name")),
    )
    op.create_table(
        "color_presets",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("color_name", sa.Text(), nullable=False),
        sa.Column("hex_code", sa.Text(), nullable=False),
        sa.Column("filament_type", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("legacy", sa.Text(), nullable=True),
        sa.CheckConstraint("length(hex_code) = 7", name=op.f("ck_color_presets_hex_code")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_color_presets_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_color_presets")),
        sa.UniqueConstraint(
            "tenant_id", "color_name", "filament_type", name=op.f("uq_color_presets_tenant_id_color_name_filament_type")
        ),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_color_presets_tenant_id_id")),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("order_number", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), server_default="manual", nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("due_date", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), server_default="", nullable=False),
        sa.Column("total_price", sa.Integer(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("ordered_at", sa.Text(), nullable=False),
        sa.Column("fulfilled_at", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "status IN ('open', 'in_production', 'ready', 'fulfilled', 'cancelled')", name=op.f("ck_orders_status")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_orders_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_orders_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "source", "external_id", name=op.f("uq_orders_tenant_id_source_external_id")),
        sa.UniqueConstraint(
            "tenant_id", "source", "order_number", name=op.f("uq_orders_tenant_id_source_order_number")
        ),
    )
    op.create_index(op.f("ix_orders_tenant_id_due_date"), "orders", ["tenant_id", "due_date"], unique=False)
    op.create_index(op.f("ix_orders_tenant_id_ordered_at"), "orders", ["tenant_id", "ordered_at"], unique=False)
    op.create_index(
        op.f("ix_orders_tenant_id_status_ordered_at"), "orders", ["tenant_id", "status", "ordered_at"], unique=False
    )

    op.create_table(
        "products",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("print_file_id", sa.Text(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("requires_assembly", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("requires_post_processing", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("printer_priority", sa.Text(), nullable=True),
        sa.Column("wiki_id", sa.Text(), nullable=True),
        sa.Column("image_sha256", sa.Text(), nullable=True),
        sa.Column("image_type", sa.Text(), nullable=True),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("legacy", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_products_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_products_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_products_tenant_id_name")),
    )
    op.create_index(op.f("ix_products_image_sha256"), "products", ["image_sha256"], unique=False)
    op.create_index(op.f("ix_products_print_file_id"), "products", ["print_file_id"], unique=False)
    op.create_index(op.f("ix_products_tenant_id_category"), "products", ["tenant_id", "category"], unique=False)
    op.create_index(op.f("ix_products_tenant_id_updated_at"), "products", ["tenant_id", "updated_at"], unique=False)

    op.create_table(
        "sync_logs",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("operation_type", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), server_default="", nullable=False),
        sa.Column("record_id", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("legacy", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_sync_logs_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_sync_logs")),
    )
    op.create_index(op.f("ix_sync_logs_tenant_id_created_at"), "sync_logs", ["tenant_id", "created_at"], unique=False)
    op.create_index(
        op.f("ix_sync_logs_tenant_id_status_created_at"),
        "sync_logs",
        ["tenant_id", "status", "created_at"],
        unique=False,
    )

    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=True),
        sa.Column("last_used_at", sa.Text(), nullable=True),
        sa.Column("last_used_address", sa.Text(), nullable=True),
        sa.Column("revoked_at", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["users.tenant_id", "users.id"],
            name=op.f("fk_api_keys_tenant_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_api_keys_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_api_keys_tenant_id_id")),
    )
    op.create_index(op.f("ix_api_keys_tenant_id_created_at"), "api_keys", ["tenant_id", "created_at"], unique=False)
    op.create_index(op.f("ix_api_keys_tenant_id_user_id"), "api_keys", ["tenant_id", "user_id"], unique=False)

    op.create_table(
        "product_skus",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("color", sa.Text(), nullable=False),
        sa.Column("filament_type", sa.Text(), nullable=True),
        sa.Column("hex_code", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("stock_level", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("low_stock_threshold", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("price", sa.Integer(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("legacy", sa.Text(), nullable=True),
        sa.CheckConstraint("low_stock_threshold >= 0", name=op.f("ck_product_skus_low_stock_threshold")),
        sa.CheckConstraint("price >= 0", name=op.f("ck_product_skus_price")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_product_skus_quantity")),
        sa.CheckConstraint("stock_level >= 0", name=op.f("ck_product_skus_stock_level")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["products.tenant_id", "products.id"],
            name=op.f("fk_product_skus_tenant_id_product_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_product_skus_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_skus")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_product_skus_tenant_id_id")),
    )
    op.create_index(
        op.f("ix_product_skus_tenant_id_product_id"), "product_skus", ["tenant_id", "product_id"], unique=False
    )
    op.create_index(
        op.f("ix_product_skus_tenant_id_updated_at"), "product_skus", ["tenant_id", "updated_at"], unique=False
    )
    op.create_index(
        "uq_product_skus_tenant_id_sku_active",
        "product_skus",
        ["tenant_id", "sku"],
        unique=True,
        sqlite_where=sa.text("is_active"),
        postgresql_where=sa.text("is_active"),
    )

    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("used_at", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["users.tenant_id", "users.id"],
            name=op.f("fk_recovery_codes_tenant_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_recovery_codes_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("user_id", "code_hash", name=op.f("uq_recovery_codes_user_id_code_hash")),
    )
    op.create_index(
        op.f("ix_recovery_codes_tenant_id_user_id"), "recovery_codes", ["tenant_id", "user_id"], unique=False
    )

    op.create_table(
        "finished_goods",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("product_sku_id", sa.Text(), nullable=True),
        sa.Column("print_job_id", sa.Text(), nullable=True),
        sa.Column("sku", sa.Text(), server_default="", nullable=False),
        sa.Column("color", sa.Text(), server_default="", nullable=False),
        sa.Column("material", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), server_default="", nullable=False),
        sa.Column("current_stock", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("low_stock_threshold", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("quantity_per_sku", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("unit_price", sa.Integer(), nullable=True),
        sa.Column("extra_cost", sa.Integer(), nullable=True),
        sa.Column("profit_margin", sa.Float(), nullable=True),
        sa.Column("requires_assembly", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("quantity_assembled", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("quantity_needs_assembly", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("status", sa.Text(), server_default="out_of_stock", nullable=False),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("legacy", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('in_stock', 'low_stock', 'out_of_stock')", name=op.f("ck_finished_goods_status")
        ),
        sa.CheckConstraint("current_stock >= 0", name=op.f("ck_finished_goods_current_stock")),
        sa.CheckConstraint("low_stock_threshold >= 0", name=op.f("ck_finished_goods_low_stock_threshold")),
        sa.CheckConstraint("quantity_assembled >= 0", name=op.f("ck_finished_goods_quantity_assembled")),
        sa.CheckConstraint("quantity_needs_assembly >= 0", name=op.f("ck_finished_goods_quantity_needs_assembly")),
        sa.CheckConstraint("quantity_per_sku > 0", name=op.f("ck_finished_goods_quantity_per_sku")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_sku_id"],
            ["product_skus.tenant_id", "product_skus.id"],
            name=op.f("fk_finished_goods_tenant_id_product_sku_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_finished_goods_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finished_goods")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_finished_goods_tenant_id_id")),
    )
    op.create_index(
        op.f("ix_finished_goods_tenant_id_product_sku_id"),
        "finished_goods",
        ["tenant_id", "product_sku_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_finished_goods_tenant_id_updated_at"), "finished_goods", ["tenant_id", "updated_at"], unique=False
    )

    op.create_table(
        "maintenance_log",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("printer_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("completed_at", sa.Text(), nullable=True),
        sa.Column("completed_by", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "printer_id"],
            ["printers.tenant_id", "printers.id"],
            name=op.f("fk_maintenance_log_tenant_id_printer_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_maintenance_log_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_log")),
    )
    op.create_index(
        op.f("ix_maintenance_log_tenant_id_printer_id_started_at"),
        "maintenance_log",
        ["tenant_id", "printer_id", "started_at"],
        unique=False,
    )

    op.create_table(
        "order_lines",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("product_sku_id", sa.Text(), nullable=True),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("quantity", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("fulfilled_quantity", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("unit_price", sa.Integer(), nullable=True),
        sa.Column("notes", sa.Text(), server_default="", nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("fulfilled_quantity BETWEEN 0 AND quantity", name=op.f("ck_order_lines_fulfilled_quantity")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_order_lines_quantity")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["orders.tenant_id", "orders.id"],
            name=op.f("fk_order_lines_tenant_id_order_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_sku_id"],
            ["product_skus.tenant_id", "product_skus.id"],
            name=op.f("fk_order_lines_tenant_id_product_sku_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_order_lines_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_lines")),
        sa.UniqueConstraint("order_id", "external_id", name=op.f("uq_order_lines_order_id_external_id")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_order_lines_tenant_id_id")),
    )
    op.create_index(op.f("ix_order_lines_tenant_id_order_id"), "order_lines", ["tenant_id", "order_id"], unique=False)
    op.create_index(
        op.f("ix_order_lines_tenant_id_product_sku_id"), "order_lines", ["tenant_id", "product_sku_id"], unique=False
    )

    op.create_table(
        "assembly_tasks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=True),
        sa.Column("finished_good_id", sa.Text(), nullable=True),
        sa.Column("product_name", sa.Text(), server_default="", nullable=False),
        sa.Column("sku", sa.Text(), server_default="", nullable=False),
        sa.Column("quantity", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("priority", sa.Text(), server_default="medium", nullable=False),
        sa.Column("assigned_to", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", sa.Text(), nullable=True),
        sa.Column("completed_at", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("legacy", sa.Text(), nullable=True),
        sa.CheckConstraint("priority IN ('low', 'medium', 'high', 'urgent')", name=op.f("ck_assembly_tasks_priority")),
        sa.CheckConstraint(
            "status IN ('pending', 'in_progress', 'completed', 'cancelled')", name=op.f("ck_assembly_tasks_status")
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_assembly_tasks_quantity")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "finished_good_id"],
            ["finished_goods.tenant_id", "finished_goods.id"],
            name=op.f("fk_assembly_tasks_tenant_id_finished_good_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["products.tenant_id", "products.id"],
            name=op.f("fk_assembly_tasks_tenant_id_product_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_assembly_tasks_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assembly_tasks")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_assembly_tasks_tenant_id_id")),
    )
    op.create_index(op.f("ix_assembly_tasks_finished_good_id"), "assembly_tasks", ["finished_good_id"], unique=False)
    op.create_index(op.f("ix_assembly_tasks_product_id"), "assembly_tasks", ["product_id"], unique=False)
    op.create_index(
        op.f("ix_assembly_tasks_tenant_id_created_at"), "assembly_tasks", ["tenant_id", "created_at"], unique=False
    )
    op.create_index(
        op.f("ix_assembly_tasks_tenant_id_status_created_at"),
        "assembly_tasks",
        ["tenant_id", "status", "created_at"],
        unique=False,
    )

    op.create_table(
        "stock_movements",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("product_sku_id", sa.Text(), nullable=False),
        sa.Column("finished_good_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("delta", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("balance", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("order_line_id", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('opening', 'print', 'assembly', 'sale', 'return', 'adjustment', 'correction')",
            name=op.f("ck_stock_movements_kind"),
        ),
        sa.CheckConstraint("delta <> 0", name=op.f("ck_stock_movements_delta")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "finished_good_id"],
            ["finished_goods.tenant_id", "finished_goods.id"],
            name=op.f("fk_stock_movements_tenant_id_finished_good_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_sku_id"],
            ["product_skus.tenant_id", "product_skus.id"],
            name=op.f("fk_stock_movements_tenant_id_product_sku_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_stock_movements_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_movements")),
        sa.UniqueConstraint("tenant_id", "cause", name=op.f("uq_stock_movements_tenant_id_cause")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_stock_movements_tenant_id_id")),
    )
    op.create_index(op.f("ix_stock_movements_tenant_id_at"), "stock_movements", ["tenant_id", "at"], unique=False)
    op.create_index(
        op.f("ix_stock_movements_tenant_id_product_sku_id_at"),
        "stock_movements",
        ["tenant_id", "product_sku_id", "at"],
        unique=False,
    )

    op.create_table(
        "worklist_tasks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("subtitle", sa.Text(), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("task_type", sa.Text(), server_default="manual", nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("priority", sa.Text(), server_default="medium", nullable=False),
        sa.Column("due_date", sa.Text(), nullable=True),
        sa.Column("assembly_task_id", sa.Text(), nullable=True),
        sa.Column("printer_id", sa.Text(), nullable=True),
        sa.Column("assigned_to", sa.Text(), nullable=True),
        sa.Column("order_number", sa.Text(), nullable=True),
        sa.Column("estimated_time_minutes", sa.Integer(), nullable=True),
        sa.Column("actual_time_minutes", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.Text(), nullable=True),
        sa.Column("completed_at", sa.Text(), nullable=True),
        sa.Column("metadata", sa.Text(), server_default="{}", nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("legacy", sa.Text(), nullable=True),
        sa.CheckConstraint("priority IN ('low', 'medium', 'high', 'urgent')", name=op.f("ck_worklist_tasks_priority")),
        sa.CheckConstraint(
            "status IN ('pending', 'in_progress', 'completed', 'cancelled')", name=op.f("ck_worklist_tasks_status")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "assembly_task_id"],
            ["assembly_tasks.tenant_id", "assembly_tasks.id"],
            name=op.f("fk_worklist_tasks_tenant_id_assembly_task_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "printer_id"],
            ["printers.tenant_id", "printers.id"],
            name=op.f("fk_worklist_tasks_tenant_id_printer_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_worklist_tasks_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worklist_tasks")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_worklist_tasks_tenant_id_id")),
    )
    op.create_index(op.f("ix_worklist_tasks_assembly_task_id"), "worklist_tasks", ["assembly_task_id"], unique=False)
    op.create_index(op.f("ix_worklist_tasks_printer_id"), "worklist_tasks", ["printer_id"], unique=False)
    op.create_index(
        op.f("ix_worklist_tasks_tenant_id_created_at"), "worklist_tasks", ["tenant_id", "created_at"], unique=False
    )
    op.create_index(
        op.f("ix_worklist_tasks_tenant_id_due_date"), "worklist_tasks", ["tenant_id", "due_date"], unique=False
    )
    op.create_index(
        op.f("ix_worklist_tasks_tenant_id_status_created_at"),
        "worklist_tasks",
        ["tenant_id", "status", "created_at"],
        unique=False,
    )
