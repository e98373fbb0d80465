"""Experiments: comparisons, adapters, trials, figures and data sets"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "data_sets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("uri", sa.String(), nullable=False),
        sa.Column("data_version", sa.String(), nullable=False),
        sa.Column("trip_schema", sa.String(), nullable=False),
        sa.Column("rows_read", sa.BigInteger(), nullable=False),
        sa.Column("rows_used", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("weighted", sa.Boolean(), nullable=False),
        sa.Column("dropped", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_sets")),
        sa.UniqueConstraint(
            "fingerprint", "uri", "data_version", name=op.f("uq_data_sets_fingerprint_uri_data_version")
        ),
    )
    op.create_table(
        "comparisons",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("data_set_id", sa.Integer(), nullable=False),
        sa.Column("eps_metres", sa.Float(), nullable=False),
        sa.Column("min_samples", sa.BigInteger(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("threads", sa.BigInteger(), nullable=False),
        sa.Column("repeats", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("trials_seconds", sa.Float(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("processor", sa.String(), nullable=False),
        sa.Column("logical_cpus", sa.BigInteger(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("python", sa.String(), nullable=False),
        sa.Column("taxi_mlops", sa.String(), nullable=False),
        sa.Column("schema_version", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["data_set_id"], ["data_sets.id"], name=op.f("fk_comparisons_data_set_id_data_sets")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_comparisons")),
    )
    op.create_index(op.f("ix_comparisons_created_at"), "comparisons", ["created_at"])
    op.create_index(op.f("ix_comparisons_data_set_id_created_at"), "comparisons", ["data_set_id", "created_at"])
    op.create_table(
        "adapters",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("adapter", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("exact", sa.Boolean(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("rank", sa.BigInteger(), nullable=True),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["comparisons.run_id"], name=op.f("fk_adapters_run_id_comparisons"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "adapter", name=op.f("pk_adapters")),
    )
    op.create_index(op.f("ix_adapters_adapter_created_at"), "adapters", ["adapter", "created_at"])
    op.create_table(
        "figures",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("adapter", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id", "adapter"],
            ["adapters.run_id", "adapters.adapter"],
            name=op.f("fk_figures_run_id_adapter_adapters"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", "adapter", "name", name=op.f("pk_figures")),
    )
    op.create_index(op.f("ix_figures_name_adapter"), "figures", ["name", "adapter"])
    op.create_table(
        "trials",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("adapter", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=True),
        sa.Column("exit_code", sa.BigInteger(), nullable=True),
        sa.Column("total_seconds", sa.Float(), nullable=True),
        sa.Column("cold_start_seconds", sa.Float(), nullable=True),
        sa.Column("prepare_seconds", sa.Float(), nullable=True),
        sa.Column("fit_seconds", sa.Float(), nullable=True),
        sa.Column("fit_user_seconds", sa.Float(), nullable=True),
        sa.Column("fit_system_seconds", sa.Float(), nullable=True),
        sa.Column("peak_memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("labels_digest", sa.String(), nullable=True),
        sa.Column("n_clusters", sa.BigInteger(), nullable=True),
        sa.Column("n_noise", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id", "adapter"],
            ["adapters.run_id", "adapters.adapter"],
            name=op.f("fk_trials_run_id_adapter_adapters"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", "adapter", "kind", "block", name=op.f("pk_trials")),
    )


def downgrade() -> None:
    for table in ("trials", "figures", "adapters", "comparisons", "data_sets"):
        op.drop_table(table)
