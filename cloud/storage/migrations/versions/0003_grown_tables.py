"""The first tables grow: what they are printed for, refresh tokens, two-factor, maintenance, versions for ETags.

Only additions, and one column that may now be empty, so that the release before goes on working on this schema.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    with op.batch_alter_table("hubs") as batch_op:
        batch_op.add_column(sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
        batch_op.create_index(batch_op.f("ix_hubs_tenant_id_created_at"), ["tenant_id", "created_at"], unique=False)

    with op.batch_alter_table("print_files") as batch_op:
        batch_op.add_column(sa.Column("product_id", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("print_time_seconds", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("filament_weight_grams", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("filament_length_meters", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("filament_type", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("nozzle_diameter", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("layer_count", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("object_count", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("number_of_units", sa.Integer(), server_default=sa.text("1"), nullable=False))
        batch_op.add_column(sa.Column("curr_bed_type", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("default_print_profile", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("updated_at", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
        batch_op.add_column(sa.Column("legacy", sa.Text(), nullable=True))
        batch_op.create_index(batch_op.f("ix_print_files_tenant_id_name"), ["tenant_id", "name"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_print_files_tenant_id_product_id"), ["tenant_id", "product_id"], unique=False
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_print_files_tenant_id_product_id"),
            "products",
            ["tenant_id", "product_id"],
            ["tenant_id", "id"],
        )
        batch_op.create_check_constraint(op.f("ck_print_files_number_of_units"), "number_of_units > 0")

    with op.batch_alter_table("print_jobs") as batch_op:
        batch_op.add_column(sa.Column("product_sku_id", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("order_line_id", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("color", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("filament_type", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("filament_needed_grams", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("number_of_units", sa.Integer(), server_default=sa.text("1"), nullable=False))
        batch_op.add_column(sa.Column("bambu_job_id", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("legacy", sa.Text(), nullable=True))
        batch_op.alter_column("print_file_id", existing_type=sa.TEXT(), nullable=True)
        batch_op.create_index(batch_op.f("ix_print_jobs_order_line_id"), ["order_line_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_print_jobs_tenant_id_printer_id_time_submitted"),
            ["tenant_id", "printer_id", "time_submitted"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_print_jobs_tenant_id_product_sku_id"), ["tenant_id", "product_sku_id"], unique=False
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_print_jobs_tenant_id_product_sku_id"),
            "product_skus",
            ["tenant_id", "product_sku_id"],
            ["tenant_id", "id"],
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_print_jobs_tenant_id_order_line_id"),
            "order_lines",
            ["tenant_id", "order_line_id"],
            ["tenant_id", "id"],
        )

    with op.batch_alter_table("printers") as batch_op:
        batch_op.add_column(sa.Column("manufacturer", sa.Text(), server_default="Bambu Lab", nullable=False))
        batch_op.add_column(sa.Column("current_color", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("current_color_hex", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("current_filament_type", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("filament_level", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("total_print_time", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("last_maintenance_date", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("in_maintenance", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        batch_op.add_column(sa.Column("maintenance_type", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("maintenance_reason", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("maintenance_started_at", sa.Text(), nullable=True))
        batch_op.add_column(
            sa.Column("consecutive_failures", sa.Integer(), server_default=sa.text("0"), nullable=False)
        )
        batch_op.add_column(sa.Column("disabled_reason", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("disabled_at", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
        batch_op.add_column(sa.Column("legacy", sa.Text(), nullable=True))
        batch_op.create_check_constraint(op.f("ck_printers_total_print_time"), "total_print_time >= 0")
        batch_op.create_check_constraint(op.f("ck_printers_consecutive_failures"), "consecutive_failures >= 0")

    with op.batch_alter_table("sessions") as batch_op:
        batch_op.add_column(sa.Column("revoked_reason", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("address", sa.Text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("method", sa.Text(), server_default="password", nullable=False))
        batch_op.add_column(sa.Column("last_used_at", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("generation", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("rotated_at", sa.Text(), nullable=True))

    with op.batch_alter_table("tenants") as batch_op:
        batch_op.add_column(sa.Column("settings", sa.Text(), server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("updated_at", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))

    with op.batch_alter_table("users") as batch_op:
        batch_op.add_column(sa.Column("totp_secret_enc", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("totp_confirmed_at", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("totp_last_step", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("oidc_subject", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("password_changed_at", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("updated_at", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
        batch_op.create_unique_constraint(batch_op.f("uq_users_oidc_subject"), ["oidc_subject"])
