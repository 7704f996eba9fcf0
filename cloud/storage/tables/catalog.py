"""What is made: products, their SKUs, the files they are printed from, colours and build plates."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Table, UniqueConstraint, text

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
    tenant,
    version,
    within_tenant,
    words,
)

print_files = Table(
    "print_files",
    metadata,
    id_column(),
    tenant(),
    words("name"),
    words("sha256"),  # "" = a migrated row whose bytes were never found
    Column("file_size_bytes", BigInteger, nullable=False),
    maybe_words("model_id"),  # of the file's design, when the slicer wrote one
    maybe_words("printer_model_id"),  # code of the printer it was sliced for
    words("flags"),  # JSON list
    words("plates"),  # JSON list of catalog.sliced.Plate
    maybe_words("product_id"),
    # The figures of the old system: sums over the plates, or what the old database said.
    maybe_number("print_time_seconds"),
    maybe_float("filament_weight_grams"),
    maybe_float("filament_length_meters"),
    maybe_words("filament_type"),
    maybe_float("nozzle_diameter"),  # mm
    maybe_number("layer_count"),
    maybe_number("object_count"),
    number("number_of_units", 1),  # pieces one print of it yields
    maybe_words("curr_bed_type"),
    maybe_words("default_print_profile"),
    words("created_at"),
    words("created_by"),
    maybe_words("updated_at"),
    maybe_words("deleted_at"),
    version(),
    legacy(),
    within_tenant("product_id", "products"),
    UniqueConstraint("tenant_id", "id"),
    CheckConstraint("number_of_units > 0", name="number_of_units"),
    Index(None, "tenant_id", "created_at"),
    Index(None, "tenant_id", "name"),
    Index(None, "tenant_id", "product_id"),
    Index(None, "sha256"),
)

products = Table(
    "products",
    metadata,
    id_column(),
    tenant(),
    words("name"),
    words("description", server_default=""),
    maybe_words("category"),
    maybe_words("print_file_id"),  # no reference, which would be a circle: deleting a file lets go of it
    maybe_words("file_name"),
    flag("requires_assembly", False),
    flag("requires_post_processing", False),
    maybe_words("printer_priority"),  # JSON list of printer ids and models
    maybe_words("wiki_id"),
    maybe_words("image_sha256"),  # in the blob store
    maybe_words("image_type"),  # image/png, image/jpeg, image/webp
    maybe_words("image_url"),  # of a picture kept elsewhere
    flag("is_active", True),
    words("created_at"),
    words("updated_at"),
    version(),
    legacy(),
    UniqueConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "name"),
    Index(None, "tenant_id", "category"),
    Index(None, "tenant_id", "updated_at"),
    Index(None, "print_file_id"),
    Index(None, "image_sha256"),
)

product_skus = Table(
    "product_skus",
    metadata,
    id_column(),
    tenant(),
    words("product_id"),
    words("sku"),
    words("color"),
    maybe_words("filament_type"),
    maybe_words("hex_code"),  # #RRGGBB
    number("quantity", 1),  # pieces one unit of it holds
    number("stock_level"),  # the sum of its stock movements, kept in step by the ledger
    number("low_stock_threshold"),
    maybe_number("price"),  # cents
    flag("is_active", True),
    words("created_at"),
    words("updated_at"),
    version(),
    legacy(),
    within_tenant("product_id", "products", ondelete="CASCADE"),
    UniqueConstraint("tenant_id", "id"),
    *not_negative("stock_level", "low_stock_threshold", "price"),
    CheckConstraint("quantity > 0", name="quantity"),
    Index(None, "tenant_id", "product_id"),
    Index(None, "tenant_id", "updated_at"),
    Index(
        "uq_product_skus_tenant_id_sku_active",
        "tenant_id",
        "sku",
        unique=True,
        sqlite_where=text("is_active"),
        postgresql_where=text("is_active"),
    ),
)

color_presets = Table(
    "color_presets",
    metadata,
    id_column(),
    tenant(),
    words("color_name"),
    words("hex_code"),  # #RRGGBB
    words("filament_type"),
    flag("is_active", True),
    words("created_at"),
    words("updated_at"),
    version(),
    legacy(),
    UniqueConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "color_name", "filament_type"),
    CheckConstraint("length(hex_code) = 7", name="hex_code"),
)

build_plate_types = Table(
    "build_plate_types",
    metadata,
    id_column(),
    tenant(),
    words("name"),
    words("description", server_default=""),
    flag("is_active", True),
    words("created_at"),
    words("updated_at"),
    version(),
    legacy(),
    UniqueConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "name"),
)
